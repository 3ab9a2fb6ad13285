import type { Gap } from '../../domain/health/gap.ts'
import { isEpochMs, readNumber } from '../../domain/values/stored-values.ts'
import type { Answer } from '../../redis/connection.ts'
import type { Keys } from '../../redis/keys.ts'
import type { Script } from '../../redis/script.ts'
import type {
  Condition,
  Put,
  Refused,
  Removed,
  Retention,
  Store,
  Stored,
  StoredTransition,
  StoreSnapshot,
} from '../store.ts'
import { readLoaded, readTransitions, texts } from './entries.ts'
import {
  appendScript,
  drainScript,
  expireScript,
  gapScript,
  heartbeatScript,
  loadScript,
  putScript,
  removeScript,
  sharedGapScript,
} from './scripts.ts'

/** The number of transitions in one batch. Redis serves no other client while it reads them. */
const transitionsPerBatch = 2000

export type RedisStoreParts = {
  readonly run: (script: Script, keys: readonly string[], input: readonly (string | number)[]) => Promise<Answer>
  readonly send: (command: readonly string[]) => Promise<Answer>
  /** Runs a script whose answer may be megabytes; `run` by default. */
  readonly runLarge?: RedisStoreParts['run']
  readonly keys: Keys
  readonly retention: Retention
  /** Resolves once this process has applied the stream up to that entry, so that a client that made a change then reads it. */
  readonly caughtUp?: (entry: number) => Promise<void>
  /** Returns milliseconds since the epoch; the clock of Redis by default. */
  readonly now?: () => number
}

/** A store that all replicas share. */
export type RedisStore = Store & {
  /** Backfills transitions that are older than those of the store. */
  seed(transitions: readonly StoredTransition[]): Promise<Stored<null>>
  /** Writes a heartbeat. Returns the previous heartbeat of any replica, in milliseconds since the epoch; null if there is none. */
  heartbeatAfter(now: number): Promise<Stored<number | null>>
  /** Adds a gap and announces it to all replicas. */
  shareGap(gap: Gap): Promise<Stored<null>>
}

/**
 * Creates a store in Redis that all replicas share. Redis evaluates the conditions, so that of two clients that change the same version only the
 * first succeeds. Every change is an entry of the stream, which announces it to the other replicas.
 */
export function createRedisStore({
  run,
  send,
  runLarge = run,
  keys,
  retention,
  caughtUp = async () => {},
  now,
}: RedisStoreParts): RedisStore {
  const time = () => (now === undefined ? '' : String(now()))
  const { meta, stream, registrations, removed, expiries, expired, drained, transitions, last, gaps } = keys

  async function change<Value>(
    script: Script,
    on: readonly string[],
    input: readonly (string | number)[],
    read: (reply: readonly string[]) => { value: Value; entry: number },
  ): Promise<Stored<Value>> {
    const answer = await run(script, on, input)
    if (!answer.ok) return answer
    const { value, entry } = read(texts(answer.value))
    if (entry > 0) await caughtUp(entry)
    return { ok: true, value }
  }

  async function put(name: string, definition: string, condition: Condition, ttlMs?: number): Promise<Stored<Put>> {
    const on = [meta, stream, registrations, removed, expiries, expired]
    const input = [time(), name, definition, ttlMs ?? '', ...written(condition)]
    return change<Put>(putScript, on, input, ([change = '', revision = '', entry = '0']) => {
      if (change === 'no') return { value: refusedAs(revision), entry: 0 }
      const registration = { name, definition, revision: Number(revision) }
      return { value: { done: true, registration, change: change as 'created' }, entry: Number(entry) }
    })
  }

  function remove(name: string, condition: Condition, hasExpired: '' | '1'): Promise<Stored<Removed>> {
    const on = [meta, stream, registrations, removed, expiries, expired, drained, keys.health(name)]
    return change(removeScript, on, [time(), name, hasExpired, ...written(condition)], readRemoved)
  }

  function mark(name: string, revision: number): Promise<Stored<Removed>> {
    const on = [meta, stream, registrations, expiries, expired]
    return change(expireScript, on, [time(), name, revision], readRemoved)
  }

  async function load(): Promise<Stored<StoreSnapshot>> {
    const on = [meta, registrations, drained, gaps, last, expiries, expired, transitions]
    const answer = await runLarge(loadScript, on, [time()])
    if (!answer.ok) return answer
    const { older, latest, hasTransitions, unreadable, ...kept } = readLoaded(answer.value, keys)
    const odd = [...unreadable]
    const found: StoredTransition[] = []
    // Read by score, because a transition that cannot be read has no id.
    for (let after = '-inf'; hasTransitions; ) {
      const from = after === '-inf' ? after : `(${after}`
      const page = ['ZRANGEBYSCORE', transitions, from, '+inf', 'WITHSCORES', 'LIMIT', '0', `${transitionsPerBatch}`]
      const more = await send(page)
      if (!more.ok) return more
      const part = readTransitions(more.value, transitions, latest)
      found.push(...part.read)
      odd.push(...part.unreadable)
      const flat = texts(more.value)
      if (flat.length < 2 * transitionsPerBatch) break
      after = flat.at(-1) ?? '+inf'
    }
    return {
      ok: true,
      value: { ...kept, transitions: [...older, ...found], ...(odd.length > 0 && { unreadable: odd }) },
    }
  }

  const done = async (answer: Promise<Answer>): Promise<Stored<null>> => {
    const given = await answer
    return given.ok ? { ok: true, value: null } : given
  }

  function append(added: readonly StoredTransition[], missing: boolean, isSeeding: boolean): Promise<Stored<null>> {
    const flags = [retention.maxCount, missing ? 1 : 0, isSeeding ? 1 : 0]
    return done(run(appendScript, [meta, transitions, last], [time(), ...flags, ...added.flatMap(writeTransition)]))
  }

  const heartbeat = (at: number) =>
    run(heartbeatScript, [meta, transitions, gaps, removed, drained], [at, at - retention.maxAgeMs])

  return {
    name: 'redis',
    load,
    put,
    remove: (name, condition) => remove(name, condition, ''),
    expire: (name, revision, step) =>
      step === 'expire' ? mark(name, revision) : remove(name, { ifMatch: [revision] }, '1'),
    setDrained: (name, isDrained) =>
      change(drainScript, [meta, stream, drained], [time(), name, isDrained ? 1 : 0], ([entry]) => ({
        value: null,
        entry: Number(entry),
      })),
    append: (added, missing) => append(added, missing, false),
    seed: (added) => append(added, false, true),
    addGap: ({ from, to }) => done(run(gapScript, [meta, gaps], [time(), from, to])),
    shareGap: ({ from, to }) => done(run(sharedGapScript, [meta, gaps, stream], [from, to])),
    heartbeat: (at) => done(heartbeat(at)),
    async heartbeatAfter(at) {
      const answer = await heartbeat(at)
      if (!answer.ok) return answer
      // A heartbeat that is no time does not count.
      const before = answer.value === null ? null : readNumber(String(answer.value))
      return { ok: true, value: isEpochMs(before) ? before : null }
    },
    async close() {},
  }
}

/**
 * Returns the arguments of a script for a transition: its id, time, service (empty unless it is the service's own), new status, and the whole as
 * JSON.
 */
function writeTransition(transition: StoredTransition): (string | number)[] {
  const { id, service, target, from, to, at, reason, message } = transition
  const json = JSON.stringify({ id, service, target, from, to, at, reason, message })
  return [id, at, target === null ? service : '', to, json]
}

function written({ ifMatch, ifNoneMatch }: Condition): (string | number)[] {
  const none = ifNoneMatch === undefined ? '' : '1'
  if (ifMatch === undefined) return [none, '']
  return ifMatch === '*' ? [none, '*'] : [none, 'list', ...ifMatch]
}

function readRemoved([done, found = '']: readonly string[]): { value: Removed; entry: number } {
  return done === 'yes' ? { value: { done: true }, entry: Number(found) } : { value: refusedAs(found), entry: 0 }
}

function refusedAs(revision: string): Refused {
  if (revision === 'unreadable') return { done: false, revision: null, isUnreadable: true }
  return { done: false, revision: revision === '' ? null : Number(revision) }
}
