import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import { type Declined, shardCount, sharesOf } from './shards.ts'

/** How long a lease holds on the store's clock, in milliseconds. */
export const leaseMs = 6000
/** How often leases are renewed, in milliseconds. */
export const renewMs = 2000
/**
 * How long a replica goes by its own clock, from before it asked: its clock may be a tenth slower than the store's (5 s are then
 * 5.6 s), and it stops well before the lease can have run out.
 */
const trustMs = (leaseMs * 5) / 6
/** A little after another replica is due to be given up, so that it is. */
const afterMs = 20
/** How soon it is tried again when nothing came back, or somebody should take what nobody owns, in milliseconds. */
const retryMs = 500

/** What a replica asks for: to be a member (or not), and for these shards. */
export type Renewal = {
  /** Grows, so that the store passes over one that arrives after a later one. */
  readonly attempt: number
  /** Those that are not live are no members and hold nothing. */
  readonly isMember: boolean
  /** Which it wants; what it held and does not want is released. */
  readonly shards: readonly number[]
  /** Which it leaves to others, as long as one of them does not. */
  readonly declined: readonly number[]
}

/** What the store says to that. */
export type Grant = {
  readonly members: readonly string[]
  /** Those of them that have not renewed for half a lease, which may be dead: nothing new is for them. */
  readonly late: readonly string[]
  /** The shards that each of them declines. */
  readonly declined: Declined
  /** What the replica holds now, by shard: the token, which is larger than any that the shard was ever held with. */
  readonly tokens: ReadonlyMap<number, number>
  /** By shard, its owner; null where there is none. */
  readonly owners: readonly (string | null)[]
  /** The newest entry of the stream: whatever earlier owners found is not after it. */
  readonly entry: number
  /** How long until the first of the other members is given up unless it renews, in milliseconds; null without others. */
  readonly nextExpiryMs: number | null
}

/** The right to check shards of the services. */
export type Leases = {
  /** Whether this replica may check a shard at this instant. */
  holds(shard: number, now: number): boolean
  /** The token of a shard that is held, also one that is not to be checked yet; null when it is not held now. */
  tokenOf(shard: number, now: number): number | null
  /** Renews once, after those that are under way. Resolves with when to do so next, an instant of the clock. */
  renew(): Promise<number>
  /** This replica knows of everything up to that entry of the stream. */
  caughtUp(entry: number): void
  /** Gives everything back, and renews no more. */
  release(): Promise<void>
  /** The last that the store said. */
  last(): Grant | null
  count(now: number): number
}

type Lease = { readonly token: number; readonly until: number; readonly entry: number }

/**
 * The leases of one replica. Who should own a shard is decided by the members alone; who does is what the store grants, for
 * as long as it says. `ask` resolves with null when nothing came back. `isWorking` is the proof of life: whoever does no work is no member.
 * `onGain` is told of shards that may be checked from now on; before shards are given up, `onYield` may still use them.
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
  /** Up to this entry of the stream everything is known. */
  let known = 0
  let isReleased = false
  let renewing: Promise<number> = Promise.resolve(0)

  const isValid = (lease: Lease | undefined, now: number) => lease !== undefined && now < lease.until

  function tell(before: ReadonlySet<number>): void {
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
    // Before the store hears of it: from then on they may be another's.
    for (const shard of unwanted) held.delete(shard)
  }

  async function renewOnce(): Promise<number> {
    if (isReleased) return Number.POSITIVE_INFINITY
    const isMember = isWorking()
    const declined = declines()
    const shards = isMember && grant !== null ? sharesOf(id, punctual(grant), withOwn(grant.declined, declined)) : []
    await yieldAllBut(shards)
    if (isReleased) return Number.POSITIVE_INFINITY
    const sentAt = clock.now()
    const given = await ask({ attempt: ++attempt, isMember, shards, declined })
    if (isReleased) return Number.POSITIVE_INFINITY
    if (given === null) return clock.now() + retryMs
    const before = usable()
    // Who only now hears who else there is has asked for too much or too little.
    const isOutdated =
      grant === null ||
      !isDeepStrictEqual(new Set(punctual(given)), new Set(punctual(grant))) ||
      !isDeepStrictEqual(withOwn(given.declined, declined), withOwn(grant.declined, declined))
    grant = given
    for (const shard of [...held.keys()]) if (!given.tokens.has(shard)) held.delete(shard)
    for (const [shard, token] of given.tokens) {
      const lease = held.get(shard)
      // What this replica went on holding it knows all about.
      const entry = lease?.token === token && isValid(lease, sentAt) ? lease.entry : given.entry
      held.set(shard, { token, until: sentAt + trustMs, entry })
    }
    tell(before)
    if (isOutdated && isMember) return clock.now()
    // What nobody owns may be for one that has died since: who is late is seen when somebody looks.
    const ownMs = given.owners.includes(null) ? retryMs : renewMs
    return sentAt + Math.min(ownMs, (given.nextExpiryMs ?? Number.POSITIVE_INFINITY) + afterMs)
  }

  function withOwn(all: Declined, own: readonly number[]): Declined {
    return new Map(all).set(id, new Set(own))
  }

  return {
    holds,
    tokenOf(shard, now) {
      const lease = held.get(shard)
      return lease !== undefined && now < lease.until ? lease.token : null
    },
    renew() {
      renewing = renewing.then(renewOnce)
      return renewing
    },
    caughtUp(entry) {
      if (entry <= known) return
      const before = usable()
      known = entry
      tell(before)
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

/** The members that are not late. */
function punctual({ members, late }: Grant): readonly string[] {
  return members.filter((member) => !late.includes(member))
}

/** A grant from what the script of the store answers: lists of members, of tokens and of owners by shard, and numbers. */
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
  for (const [shard, owner, token] of owners) {
    byShard[shard] = owner
    if (owner === id) tokens.set(shard, token)
  }
  return { members, late, declined, tokens, owners: byShard, entry, nextExpiryMs }
}
