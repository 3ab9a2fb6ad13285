/** A model of the lease script: data and `now` in, data out. */
import { type Grant, type Renewal, readGrant } from '../../../src/replicas/lease/leases.ts'

/** The shared data. Times are milliseconds of the store's clock. */
export type Shared = {
  readonly members: ReadonlyMap<
    string,
    { readonly until: number; readonly attempt: number; readonly isMember: boolean }
  >
  /** The lease of each shard. When it has no owner any more, the owner is null and the token stays. */
  readonly leases: ReadonlyMap<number, SharedLease>
  /** The shards that each replica declines. A replica that declines none has no entry. */
  readonly declined: ReadonlyMap<string, readonly number[]>
  /** The newest entry of the stream. */
  readonly entry: number
}
export type SharedLease = { readonly fencingToken: number; readonly owner: string | null; readonly until: number }

/** The result of a renewal. `isNews`: the others are notified. The grant is null if a later renewal came before. */
export type Renewed = { readonly shared: Shared; readonly grant: Grant | null; readonly isNews: boolean }

/** A store with nothing in it. */
export const nothingShared: Shared = { members: new Map(), leases: new Map(), declined: new Map(), entry: 0 }

export function renewShared(
  before: Shared,
  id: string,
  { attempt, isMember, shards, declined: wish }: Renewal,
  leaseDurationMs: number,
  exactly: number,
): Renewed {
  const now = Math.floor(exactly)
  const own = before.members.get(id)
  if (own !== undefined && attempt <= own.attempt) return { shared: before, grant: null, isNews: false }

  const others = [...before.members].filter(([member, one]) => member !== id && one.isMember)
  const live = others.filter(([, { until }]) => until > now)
  const members = new Map([...before.members].filter(([member, { until }]) => member === id || until > now))
  if (isMember || own?.isMember) members.set(id, { until: now + leaseDurationMs, attempt, isMember })

  const leases = new Map(before.leases)
  const isOthers = (lease: SharedLease | undefined) =>
    lease !== undefined && lease.owner !== null && lease.owner !== id && lease.until > now
  const wanted = new Set(shards)
  const released = [...leases].filter(([shard, { owner }]) => owner === id && !wanted.has(shard))
  for (const [shard, { fencingToken }] of released) leases.set(shard, { fencingToken, owner: null, until: 0 })
  for (const shard of wanted) {
    const lease = leases.get(shard)
    if (isOthers(lease)) continue
    // The last owner continues with its token, because no other replica can have written in between.
    const fencingToken = lease?.owner === id ? lease.fencingToken : Math.max((lease?.fencingToken ?? 0) + 1, now)
    leases.set(shard, { fencingToken, owner: id, until: now + leaseDurationMs })
  }

  const declined = new Map([...before.declined].filter(([member]) => members.has(member)))
  const declines = isMember ? wish : []
  const declinesOtherwise = declines.join() !== (declined.get(id) ?? []).join()
  if (declines.length > 0) declined.set(id, declines)
  else declined.delete(id)

  const isNews =
    live.length < others.length || isMember !== (own?.isMember ?? false) || released.length > 0 || declinesOtherwise
  const entry = isNews ? Math.max(before.entry + 1, now) : before.entry
  const owned = [...leases].flatMap(([shard, { owner, fencingToken, until }]) =>
    owner !== null && until > now ? [[shard, owner, fencingToken] as const] : [],
  )
  const nextExpiryMs = live.length === 0 ? null : Math.min(...live.map(([, { until }]) => until - now))
  const late = live.filter(([, { until }]) => until - now < leaseDurationMs / 2).map(([member]) => member)
  const grant = readGrant(
    id,
    [...live.map(([member]) => member), ...(isMember ? [id] : [])],
    owned,
    entry,
    nextExpiryMs,
    late,
    new Map([...declined].map(([member, list]) => [member, new Set(list)])),
  )
  return { shared: { members, leases, declined, entry }, grant, isNews }
}
