import type { Clock } from '../clock.ts'
import { inKnownWords } from '../domain/transition.ts'
import type { SharedLog } from '../monitor/earlier-log.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import type { Reply } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { RedisStore } from '../store/redis.ts'
import { readDrains } from '../store/redis-kept.ts'
import { mergeScript } from '../store/redis-scripts.ts'
import type { Kept, Stored } from '../store/store.ts'
import type { UnreadableEntries } from '../store/unreadable.ts'
import { seededScript, seedScript } from './health-script.ts'
import type { Link } from './link.ts'
import { portion } from './portions.ts'
import type { SharedRegistry } from './shared-registry.ts'

export type JoinParts = {
  readonly id: string
  readonly link: Link
  readonly keys: Keys
  readonly store: RedisStore
  readonly clock: Clock
  readonly log: TransitionLog
  readonly sharedRegistry: SharedRegistry
  /** When this process began, an instant of the clock. */
  readonly startedAt: number
  /** Is told of what the store keeps and cannot be read. */
  readonly unreadable: UnreadableEntries
  /** Tells the store that this replica runs. */
  readonly beat: () => Promise<Stored<null>>
}

const done: Stored<null> = { ok: true, value: null }

/**
 * Brings together what this replica knows and what the store keeps, and puts it in force. Of each registration the newest revision
 * counts, whoever knows it; a store that lost everything is given it back. `isAlone`: no other replica is live. `isFirst`: this process
 * joins for the first time. Returns what could not be read, as sentences.
 */
export async function bringTogether(
  parts: JoinParts,
  { isAlone, isFirst, newsAfter }: { isAlone: boolean; isFirst: boolean; newsAfter: number },
): Promise<Stored<string[]>> {
  const { link, keys, store, clock, log } = parts
  const merged = await merge(parts)
  if (!merged.ok) return merged
  const seeded = await seed(parts)
  if (!seeded.ok) return seeded
  // While another replica tells what it remembers, this one goes on with what it does itself.
  const isToldElsewhere = seeded.value === 'another'
  const kept = isToldElsewhere ? await store.load() : await readKept(parts, { isAlone, isFirst })
  if (!kept.ok) return kept
  const drains = await link.send(['HGETALL', keys.drained])
  if (!drains.ok) return drains
  await parts.beat()
  // Before the log: what goes for this was told by who saw it go, and this replica, which is alone until it has joined, tells it once more.
  const unread = await restore(parts, kept.value, drains.value)
  const since = seeded.value === 'nobody' ? newsAfter : Number.POSITIVE_INFINITY
  if (!isToldElsewhere) log.replace(readShared(kept.value, clock), since)
  return { ok: true, value: unread }
}

/** Puts what the store keeps of the registry in force. Resolves with what cannot be read, as sentences. */
function restore({ sharedRegistry, unreadable, keys }: JoinParts, kept: Kept, drains: Reply): Promise<string[]> {
  unreadable.replace('kept', kept.unreadable ?? [])
  const isUnreadable = (name: string) => unreadable.whyRegistration(name) !== null
  return sharedRegistry.restore(kept.registrations, readDrains(drains, keys.drained).read, isUnreadable)
}

/** Reads the registry and the log of transitions anew. */
export async function rereadStore(parts: JoinParts, newsAfter: number): Promise<Stored<null>> {
  const loaded = await parts.store.load()
  if (!loaded.ok) return loaded
  const drains = await parts.link.send(['HGETALL', parts.keys.drained])
  if (!drains.ok) return drains
  await restore(parts, loaded.value, drains.value)
  parts.log.replace(readShared(loaded.value, parts.clock), newsAfter)
  return done
}

/** Reads the log of transitions anew. */
export async function loadLog({ store, log, clock, unreadable }: JoinParts, newsAfter: number): Promise<Stored<null>> {
  const loaded = await store.load()
  if (!loaded.ok) return loaded
  unreadable.replace('kept', loaded.value.unreadable ?? [])
  log.replace(readShared(loaded.value, clock), newsAfter)
  return done
}

/** What the store keeps, to which the first replica after a time without any adds that time. */
async function readKept(
  { store, clock, startedAt }: JoinParts,
  { isAlone, isFirst }: { isAlone: boolean; isFirst: boolean },
): Promise<Stored<Kept>> {
  const loaded = await store.load()
  if (!loaded.ok) return loaded
  const { aliveAt, absences } = loaded.value
  const began = Math.floor(clock.toEpoch(startedAt))
  if (!isFirst || !isAlone || aliveAt === null || aliveAt >= began) return loaded
  const absence = { from: aliveAt, to: began }
  const added = await store.addAbsence(absence)
  if (!added.ok) return added
  return {
    ok: true,
    value: { ...loaded.value, absences: [...absences.filter(({ from }) => from !== aliveAt), absence] },
  }
}

async function merge({ link, keys, sharedRegistry }: JoinParts): Promise<Stored<null>> {
  const { meta, stream, registrations, removed, expiries, drained, expired } = keys
  const all = sharedRegistry.written()
  while (all.length > 0) {
    const some = all.splice(0, portion)
    const shared = [meta, stream, registrations, removed, expiries, drained, expired]
    const on = [...shared, ...some.map(([, name]) => keys.health(name))]
    const answer = await link.run(mergeScript, on, ['', ...some.flat()])
    if (!answer.ok) return answer
  }
  return done
}

/** Gives what this replica remembers to a store that remembers nothing; only the first does. Returns who: this one, another, or nobody, as it is done. */
async function seed({ id, link, keys, store, log, clock }: JoinParts): Promise<Stored<'this' | 'another' | 'nobody'>> {
  const completeAt = Math.floor(clock.toEpoch(log.completeSince()))
  const answer = await link.run(seedScript, [keys.meta], [id, completeAt * 1000, completeAt])
  if (!answer.ok) return answer
  if (answer.value !== 1) return { ok: true, value: answer.value === 2 ? 'another' : 'nobody' }
  const all = log.find({}).reverse()
  while (all.length > 0) {
    const some = all.splice(0, portion).map((transition) => ({ ...transition, at: clock.toEpoch(transition.at) }))
    const kept = await store.seed(some)
    if (!kept.ok) return kept
  }
  for (const { from, to } of log.absences()) {
    const kept = await store.addAbsence({ from: clock.toEpoch(from), to: clock.toEpoch(to) })
    if (!kept.ok) return kept
  }
  const told = await link.run(seededScript, [keys.meta, keys.stream], [])
  return told.ok ? { ok: true, value: 'this' } : told
}

/** What all replicas know of what happened, with its times as instants of this process's clock: they are all the store's. */
function readShared({ transitions, absences, completeAfter }: Kept, clock: Clock): SharedLog {
  return {
    transitions: transitions.map((transition) => inKnownWords({ ...transition, at: clock.fromEpoch(transition.at) })),
    absences: absences.map(({ from, to }) => ({ from: clock.fromEpoch(from), to: clock.fromEpoch(to) })),
    completeAfter: { id: completeAfter.id, at: clock.fromEpoch(completeAfter.at) },
  }
}
