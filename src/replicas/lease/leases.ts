import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../runtime/clock.ts'
import { type Declined, shardCount, sharesOf } from './shards.ts'
import { renewDeadlineMs, renewIntervalMs, retryPeriodMs } from './times.ts'

/** How long after the expected end of another member a replica renews, in milliseconds, so that the store has given that member up. */
const afterMs = 20

/** The request of a replica: whether it is a member, and which shards it wants. */
export type Renewal = {
  /** Grows with each renewal, so that the store ignores one that arrives after a later one. */
  readonly attempt: number
  /** False for a replica that does no work, which holds no shards. */
  readonly isMember: boolean
  /** The shards that the replica wants. The store releases any other shard that it held. */
  readonly shards: readonly number[]
  /** The shards that the replica leaves to others, unless all members decline them. */
  readonly declined: readonly number[]
}

/** The answer of the store to a renewal. */
export type Grant = {
  readonly members: readonly string[]
  /** The members that have not renewed for half a lease. A late member may be dead, so it gets no new shards. */
  readonly late: readonly string[]
  /** The shards that each member declines. */
  readonly declined: Declined
  /** The fencing token of each shard that the replica holds now, larger than any that another owner of the shard had. */
  readonly tokens: ReadonlyMap<number, number>
  /** The owner of each shard, or null. */
  readonly owners: readonly (string | null)[]
  /** The newest entry of the stream. No outcome of an earlier owner comes after it. */
  readonly entry: number
  /** How long until the first other member expires unless it renews, in milliseconds; null without other members. */
  readonly nextExpiryMs: number | null
}

/** The leases of this replica: they allow it to check the services of their shards. */
export type Leases = {
  /** Returns whether this replica may check a shard at this instant. */
  holds(shard: number, now: number): boolean
  /** Returns the fencing token of a shard that is held, even if it may not be checked yet; null if it is not held. */
  fencingTokenOf(shard: number, now: number): number | null
  /** Renews once, after the renewals that are under way. Resolves with the instant of the next renewal. */
  renew(): Promise<number>
  /** Records that this replica has applied all entries of the stream up to this one. */
  caughtUp(entry: number): void
  /** Releases all shards, and stops renewing. */
  release(): Promise<void>
  /** Returns the last answer of the store, or null. */
  last(): Grant | null
  count(now: number): number
}

type Lease = { readonly fencingToken: number; readonly until: number; readonly entry: number }

/**
 * Creates the leases of one replica. The list of members alone determines which replica should own a shard. The answers of the store determine which
 * one owns it, and for how long. `ask` resolves with null if no answer came. `isWorking` is the proof of life: a replica that does no work is not a
 * member. `onGain` receives the shards that may be checked from now on. `onYield` runs before shards are released, and may still use them.
 */
export function createLeases({
  id,
  clock,
  ask,
  isWorking,
  declines = () => [],
  onGain,
  onYield = async () => {},
}: {
  id: string
  clock: Pick<Clock, 'now'>
  ask: (renewal: Renewal) => Promise<Grant | null>
  isWorking: () => boolean
  /** The shards with a service that this version of Porthole cannot check. */
  declines?: () => readonly number[]
  onGain: (shards: readonly number[]) => void
  onYield?: (shards: readonly number[]) => Promise<void>
}): Leases {
  const held = new Map<number, Lease>()
  let grant: Grant | null = null
  let attempt = 0
  /** The last entry of the stream that this replica has applied. */
  let known = 0
  let isReleased = false
  let renewing: Promise<number> = Promise.resolve(0)

  const isValid = (lease: Lease | undefined, now: number) => lease !== undefined && now < lease.until

  function reportGained(before: ReadonlySet<number>): void {
    const now = clock.now()
    const gained = [...held.keys()].filter((shard) => !before.has(shard) && holds(shard, now))
    if (gained.length > 0) onGain(gained)
  }

  function holds(shard: number, now: number): boolean {
    const lease = held.get(shard)
    return lease !== undefined && now < lease.until && lease.entry <= known
  }

  const usable = () => new Set([...held.keys()].filter((shard) => holds(shard, clock.now())))

  async function yieldAllBut(wanted: readonly number[]): Promise<void> {
    const kept = new Set(wanted)
    const unwanted = [...held.keys()].filter((shard) => !kept.has(shard))
    if (unwanted.length === 0) return
    await onYield(unwanted)
    // Before the store releases these shards, because another replica may own them from then on.
    for (const shard of unwanted) held.delete(shard)
  }

  async function renewOnce(): Promise<number> {
    if (isReleased) return Number.POSITIVE_INFINITY
    const isMember = isWorking()
    const declined = declines()
    const shards =
      isMember && grant !== null ? sharesOf(id, membersOnTime(grant), withOwn(grant.declined, declined)) : []
    await yieldAllBut(shards)
    if (isReleased) return Number.POSITIVE_INFINITY
    const sentAt = clock.now()
    const given = await ask({ attempt: ++attempt, isMember, shards, declined })
    if (isReleased) return Number.POSITIVE_INFINITY
    if (given === null) return clock.now() + retryPeriodMs
    const before = usable()
    // The request used an older list of members, so it asked for too many or too few shards.
    const isOutdated =
      grant === null ||
      !isDeepStrictEqual(new Set(membersOnTime(given)), new Set(membersOnTime(grant))) ||
      !isDeepStrictEqual(withOwn(given.declined, declined), withOwn(grant.declined, declined))
    grant = given
    for (const shard of [...held.keys()]) if (!given.tokens.has(shard)) held.delete(shard)
    for (const [shard, fencingToken] of given.tokens) {
      const lease = held.get(shard)
      // A replica that held the shard without a break knows all its outcomes already.
      const entry = lease?.fencingToken === fencingToken && isValid(lease, sentAt) ? lease.entry : given.entry
      held.set(shard, { fencingToken, until: sentAt + renewDeadlineMs, entry })
    }
    reportGained(before)
    if (isOutdated && isMember) return clock.now()
    // A shard without an owner may be meant for a member that has died since, and only a renewal shows that this member is late.
    const ownMs = given.owners.includes(null) ? retryPeriodMs : renewIntervalMs
    return sentAt + Math.min(ownMs, (given.nextExpiryMs ?? Number.POSITIVE_INFINITY) + afterMs)
  }

  function withOwn(all: Declined, own: readonly number[]): Declined {
    return new Map(all).set(id, new Set(own))
  }

  return {
    holds,
    fencingTokenOf(shard, now) {
      const lease = held.get(shard)
      return lease !== undefined && now < lease.until ? lease.fencingToken : null
    },
    renew() {
      renewing = renewing.then(renewOnce)
      return renewing
    },
    caughtUp(entry) {
      if (entry <= known) return
      const before = usable()
      known = entry
      reportGained(before)
    },
    async release() {
      if (isReleased) return
      isReleased = true
      await yieldAllBut([])
      await ask({ attempt: ++attempt, isMember: false, shards: [], declined: [] })
    },
    last: () => grant,
    count: (now) => [...held.values()].filter((lease) => now < lease.until).length,
  }
}

/** Returns the members that are not late. */
function membersOnTime({ members, late }: Grant): readonly string[] {
  return members.filter((member) => !late.includes(member))
}

/** Builds a grant from the answer of the lease script. */
export function readGrant(
  id: string,
  members: readonly string[],
  owners: readonly (readonly [shard: number, owner: string, token: number])[],
  entry: number,
  nextExpiryMs: number | null,
  late: readonly string[] = [],
  declined: Declined = new Map(),
): Grant {
  const byShard = new Array<string | null>(shardCount).fill(null)
  const tokens = new Map<number, number>()
  for (const [shard, owner, fencingToken] of owners) {
    byShard[shard] = owner
    if (owner === id) tokens.set(shard, fencingToken)
  }
  return { members, late, declined, tokens, owners: byShard, entry, nextExpiryMs }
}
