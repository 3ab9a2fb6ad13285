import { inKnownWords } from '../../domain/health/transition.ts'
import type { SharedLog } from '../../monitor/transitions/previous-run.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { Reply } from '../../redis/connection.ts'
import type { Keys } from '../../redis/keys.ts'
import type { Clock } from '../../runtime/clock.ts'
import { readDrains } from '../../store/redis/entries.ts'
import type { RedisStore } from '../../store/redis/redis.ts'
import { mergeScript } from '../../store/redis/scripts.ts'
import type { Stored, StoreSnapshot } from '../../store/store.ts'
import type { UnreadableEntries } from '../../store/unreadable.ts'
import type { RedisConnector } from '../redis-connector.ts'
import type { SharedRegistry } from '../shared-registry.ts'
import { batch } from './batches.ts'
import { seededScript, seedScript } from './health-script.ts'

export type JoinParts = {
  readonly id: string
  readonly redisConnector: RedisConnector
  readonly keys: Keys
  readonly store: RedisStore
  readonly clock: Clock
  readonly log: TransitionLog
  readonly sharedRegistry: SharedRegistry
  /** The instant of the clock at which this process began. */
  readonly startedAt: number
  /** Receives the entries of the store that cannot be read. */
  readonly unreadable: UnreadableEntries
  /** Sends a heartbeat to the store. */
  readonly heartbeat: () => Promise<Stored<null>>
}

const done: Stored<null> = { ok: true, value: null }

/**
 * Reconciles the data of this replica with those of the store, and applies the result. The newest revision of each registration counts, on either
 * side, and a store that lost everything gets its data back. `isAlone`: no other replica is live. `isFirst`: this process joins for the first time.
 * Transitions after the id `newsAfter` are reported as new. Returns sentences about the registrations that cannot be read.
 */
export async function reconcile(
  parts: JoinParts,
  { isAlone, isFirst, newsAfter }: { isAlone: boolean; isFirst: boolean; newsAfter: number },
): Promise<Stored<string[]>> {
  const { redisConnector, keys, store, clock, log } = parts
  const merged = await merge(parts)
  if (!merged.ok) return merged
  const seeded = await backfillStore(parts)
  if (!seeded.ok) return seeded
  // While another replica backfills the store, this one continues with its own transition log.
  const isBackfilledElsewhere = seeded.value === 'another'
  const kept = isBackfilledElsewhere ? await store.load() : await readStoreSnapshot(parts, { isAlone, isFirst })
  if (!kept.ok) return kept
  const drains = await redisConnector.send(['HGETALL', keys.drained])
  if (!drains.ok) return drains
  await parts.heartbeat()
  // Restore the registry before the log. Another replica has already reported each service that this removes. A replica that has not joined yet would
  // report it a second time, and the shared log replaces that report.
  const unread = await restore(parts, kept.value, drains.value)
  const since = seeded.value === 'nobody' ? newsAfter : Number.POSITIVE_INFINITY
  if (!isBackfilledElsewhere) log.replace(readShared(kept.value, clock), since)
  return { ok: true, value: unread }
}

/** Applies the registry of the store. Resolves with sentences about the registrations that cannot be read. */
function restore(
  { sharedRegistry, unreadable, keys }: JoinParts,
  kept: StoreSnapshot,
  drains: Reply,
): Promise<string[]> {
  unreadable.replace('kept', kept.unreadable ?? [])
  const isUnreadable = (name: string) => unreadable.whyRegistration(name) !== null
  return sharedRegistry.restore(kept.registrations, readDrains(drains, keys.drained).read, isUnreadable)
}

/** Reads the registry and the transition log of the store again. */
export async function rereadStore(parts: JoinParts, newsAfter: number): Promise<Stored<null>> {
  const loaded = await parts.store.load()
  if (!loaded.ok) return loaded
  const drains = await parts.redisConnector.send(['HGETALL', parts.keys.drained])
  if (!drains.ok) return drains
  await restore(parts, loaded.value, drains.value)
  parts.log.replace(readShared(loaded.value, parts.clock), newsAfter)
  return done
}

/** Reads the transition log of the store again. */
export async function loadLog({ store, log, clock, unreadable }: JoinParts, newsAfter: number): Promise<Stored<null>> {
  const loaded = await store.load()
  if (!loaded.ok) return loaded
  unreadable.replace('kept', loaded.value.unreadable ?? [])
  log.replace(readShared(loaded.value, clock), newsAfter)
  return done
}

/** Loads the data of the store. After a time without any replica, the first one adds this time to the data as a gap. */
async function readStoreSnapshot(
  { store, clock, startedAt }: JoinParts,
  { isAlone, isFirst }: { isAlone: boolean; isFirst: boolean },
): Promise<Stored<StoreSnapshot>> {
  const loaded = await store.load()
  if (!loaded.ok) return loaded
  const { aliveAt, gaps } = loaded.value
  const began = Math.floor(clock.toEpoch(startedAt))
  if (!isFirst || !isAlone || aliveAt === null || aliveAt >= began) return loaded
  const gap = { from: aliveAt, to: began }
  const added = await store.addGap(gap)
  if (!added.ok) return added
  return {
    ok: true,
    value: { ...loaded.value, gaps: [...gaps.filter(({ from }) => from !== aliveAt), gap] },
  }
}

async function merge({ redisConnector, keys, sharedRegistry }: JoinParts): Promise<Stored<null>> {
  const { meta, stream, registrations, removed, expiries, drained, expired } = keys
  const all = sharedRegistry.written()
  while (all.length > 0) {
    const some = all.splice(0, batch)
    const shared = [meta, stream, registrations, removed, expiries, drained, expired]
    const on = [...shared, ...some.map(([, name]) => keys.health(name))]
    const answer = await redisConnector.run(mergeScript, on, ['', ...some.flat()])
    if (!answer.ok) return answer
  }
  return done
}

/**
 * Backfills an empty store with the transitions and gaps of this replica. Only the first replica does this. Returns which replica does: this one,
 * another one, or none because it is done already.
 */
async function backfillStore({
  id,
  redisConnector,
  keys,
  store,
  log,
  clock,
}: JoinParts): Promise<Stored<'this' | 'another' | 'nobody'>> {
  const completeAt = Math.floor(clock.toEpoch(log.completeSince()))
  const answer = await redisConnector.run(seedScript, [keys.meta], [id, completeAt * 1000, completeAt])
  if (!answer.ok) return answer
  if (answer.value !== 1) return { ok: true, value: answer.value === 2 ? 'another' : 'nobody' }
  const all = log.find({}).reverse()
  while (all.length > 0) {
    const some = all.splice(0, batch).map((transition) => ({ ...transition, at: clock.toEpoch(transition.at) }))
    const kept = await store.seed(some)
    if (!kept.ok) return kept
  }
  for (const { from, to } of log.gaps()) {
    const kept = await store.addGap({ from: clock.toEpoch(from), to: clock.toEpoch(to) })
    if (!kept.ok) return kept
  }
  const reply = await redisConnector.run(seededScript, [keys.meta, keys.stream], [])
  return reply.ok ? { ok: true, value: 'this' } : reply
}

/** Converts the transitions and gaps of the store: their times become instants of this process's clock. */
function readShared({ transitions, gaps, completeAfter }: StoreSnapshot, clock: Clock): SharedLog {
  return {
    transitions: transitions.map((transition) => inKnownWords({ ...transition, at: clock.fromEpoch(transition.at) })),
    gaps: gaps.map(({ from, to }) => ({ from: clock.fromEpoch(from), to: clock.fromEpoch(to) })),
    completeAfter: { id: completeAfter.id, at: clock.fromEpoch(completeAfter.at) },
  }
}
