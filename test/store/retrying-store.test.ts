import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createTransitionLog } from '../../src/monitor/transitions/transition-log.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createRetryingStore } from '../../src/store/retrying-store.ts'
import type { Store, Stored, StoreSnapshot } from '../../src/store/store.ts'
import { watch } from '../monitor/fakes.ts'
import { registeredService, sampleService } from '../support/samples.ts'

const full: Stored<never> = { ok: false, failure: 'the disk is full' }
const gone: Stored<never> = { ok: false, failure: 'there is no such directory' }

/** Starts a retrying store of a Porthole that watches one service. It wraps a store in memory that fails when the test says so. */
function start(
  options: {
    store?: Store
    aliveAt?: number
    maxCount?: number
    open?: boolean
    startsAfter?: number
    loading?: Promise<void>
  } = {},
) {
  const state = watch([sampleService('pg', ['pg:5432'])])
  const { monitor, clock } = state
  clock.advance(options.startsAfter ?? 0)
  const epoch = () => Math.floor(clock.toEpoch(clock.now()))
  const store = options.store ?? createMemoryStore({ maxCount: 100_000, maxAgeMs: 1e12 }, () => epoch())
  let failing: boolean | 'addGap' = false
  const heartbeats: number[] = []
  let openable = options.open ?? true
  let ready = Promise.resolve()
  const unless =
    <Arguments extends unknown[], Value>(ask: (...input: Arguments) => Promise<Stored<Value>>) =>
    async (...input: Arguments): Promise<Stored<Value>> => {
      await ready
      return failing === true ? full : ask(...input)
    }
  const log = createTransitionLog({ monitor, clock, maxCount: options.maxCount ?? 1000 })
  const loads: StoreSnapshot[] = []
  const failures: (string | null)[] = []
  const retryingStore = createRetryingStore({
    name: 'sqlite',
    open: async () =>
      openable
        ? {
            ok: true,
            value: {
              ...store,
              load: unless(async () => {
                const kept = await store.load()
                return kept.ok && options.aliveAt !== undefined
                  ? { ok: true, value: { ...kept.value, aliveAt: options.aliveAt } }
                  : kept
              }),
              put: unless(store.put),
              append: unless(store.append),
              addGap: async (gap) => (failing === 'addGap' ? full : store.addGap(gap)),
              heartbeat: unless((now) => {
                heartbeats.push(now)
                return store.heartbeat(now)
              }),
            },
          }
        : gone,
    log,
    clock,
    onLoad(kept) {
      loads.push(kept)
      return options.loading
    },
    onFailure: (failure) => failures.push(failure),
  })
  const keptOf = async () => {
    const kept = await store.load()
    assert.ok(kept.ok)
    return kept.value
  }
  return {
    ...state,
    store,
    log,
    retryingStore,
    loads,
    failures,
    epoch,
    keptOf,
    heartbeats,
    fail(what: typeof failing) {
      failing = what
    },
    /** Makes the store hang until the returned function is called. */
    hang() {
      const { promise, resolve } = Promise.withResolvers<void>()
      ready = promise
      return resolve
    },
    allowOpening() {
      openable = true
    },
    /** Checks the service's target `times` times. The first check gives it a status; later ones change the status after `rise` or `fall` of them. */
    async turnOver(reason: 'connected' | 'refused', times = 1) {
      for (let i = 0; i < times; i++) {
        clock.advance(1000)
        await state.checkOnce(state.target('pg', 'pg:5432'), reason)
      }
    },
  }
}

test('transitions are in the store after a turn, each once', async () => {
  const { retryingStore, log, turnOver, keptOf } = start()
  await retryingStore.turn()
  await turnOver('connected')
  assert.equal(retryingStore.storeState().waiting, 2)
  await retryingStore.turn()
  await retryingStore.turn()
  assert.deepEqual(retryingStore.storeState(), { failure: null, waiting: 0 })
  assert.deepEqual(
    (await keptOf()).transitions.map(({ id }) => id),
    log
      .find({})
      .map(({ id }) => id)
      .reverse(),
  )
})

test('transitions that could not be written are written later, and the failure and its end are reported once each', async () => {
  const { retryingStore, fail, failures, turnOver, keptOf } = start()
  await retryingStore.turn()
  fail(true)
  await turnOver('connected')
  await retryingStore.turn()
  await retryingStore.turn()
  assert.deepEqual(retryingStore.storeState(), { failure: 'the disk is full', waiting: 2 })
  assert.deepEqual(await retryingStore.store.put('mq', '{}', {}), full)
  fail(false)
  await retryingStore.turn()
  assert.deepEqual(failures, ['the disk is full', null])
  assert.equal((await keptOf()).transitions.length, 2)
})

test('a store that cannot be opened is tried again with each turn, and until then every operation fails', async () => {
  const { retryingStore, allowOpening, failures, loads, turnOver, keptOf } = start({ open: false })
  await retryingStore.turn()
  assert.deepEqual(await retryingStore.store.put('mq', '{}', {}), gone)
  assert.equal(retryingStore.storeState().failure, 'there is no such directory')
  await turnOver('connected')
  allowOpening()
  await retryingStore.turn()
  assert.deepEqual([loads.length, failures], [1, ['there is no such directory', null]])
  assert.equal((await keptOf()).transitions.length, 2)
  assert.equal((await retryingStore.store.put('mq', '{}', {})).ok, true)
})

test('if the log lost transitions before they were written, the store learns that some are missing', async () => {
  const { retryingStore, fail, turnOver, keptOf, log } = start({ maxCount: 4 })
  await retryingStore.turn()
  await turnOver('connected')
  await retryingStore.turn()
  fail(true)
  for (let i = 0; i < 3; i++) {
    await turnOver('refused', 3)
    await turnOver('connected', 2)
  }
  fail(false)
  await retryingStore.turn()
  const { transitions, completeAfter } = await keptOf()
  const oldestLogged = log.find({}).at(-1)
  assert.equal(completeAfter.id, (oldestLogged?.id ?? 0) - 1)
  assert.equal(transitions.at(-1)?.id, log.lastId())
})

test('one turn writes more than one batch', async () => {
  const { retryingStore, turnOver, keptOf } = start({ maxCount: 10_000 })
  await turnOver('connected')
  for (let i = 0; i < 300; i++) {
    await turnOver('refused', 3)
    await turnOver('connected', 2)
  }
  await retryingStore.turn()
  assert.equal((await keptOf()).transitions.length, 1202)
})

test('the next process has the log of the one before, and emits none of it again', async () => {
  const before = start()
  await before.retryingStore.turn()
  await before.turnOver('connected')
  await before.retryingStore.turn()

  const after = start({ store: before.store })
  after.clock.advance(2000)
  const news: unknown[] = []
  after.log.logged.subscribe((entry) => news.push(entry))
  await after.retryingStore.turn()
  assert.deepEqual(
    after.log.find({}).map(({ id, at }) => [id, at]),
    before.log.find({}).map(({ id, at }) => [id, at]),
  )
  assert.deepEqual(news, [])
  assert.equal(after.log.completeSince(), before.log.completeSince())
})

test('the time from the last heartbeat to the start of the process is a gap', async () => {
  const before = start()
  await before.retryingStore.turn()
  await before.turnOver('connected')
  await before.retryingStore.turn()
  const stoppedAt = before.epoch()

  const after = start({ store: before.store, aliveAt: stoppedAt, startsAfter: 60_000 })
  const gap = { from: stoppedAt, to: after.epoch() }
  after.clock.advance(500)
  after.fail('addGap')
  await after.retryingStore.turn()
  assert.equal(after.retryingStore.storeState().failure, 'the disk is full')
  assert.deepEqual(after.heartbeats, [])
  after.fail(false)
  await after.retryingStore.turn()
  await after.retryingStore.turn()
  assert.equal(after.heartbeats.length, 2)
  assert.deepEqual((await after.keptOf()).gaps, [gap])
  assert.deepEqual(
    after.log.gaps().map(({ from, to }) => [after.clock.toEpoch(from), after.clock.toEpoch(to)]),
    [[gap.from, gap.to]],
  )
  await after.turnOver('connected')
  await after.retryingStore.turn()
  assert.equal((await after.keptOf()).transitions.length, 2)
})

test('a store that does not answer is reported, and gets no more operations until it does', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { retryingStore, hang, failures, loads, turnOver, keptOf } = start()
  await retryingStore.start()
  const release = hang()
  const early = retryingStore.store.put('early', '{}', {})
  await turnOver('connected')
  t.mock.timers.tick(4999)
  assert.deepEqual(failures, [])
  t.mock.timers.tick(1)
  const hangs = 'the sqlite store has not answered for 5 s: see whether its disk hangs'
  assert.deepEqual(retryingStore.storeState(), { failure: hangs, waiting: 2 })
  assert.deepEqual(await retryingStore.store.put('late', '{}', {}), { ok: false, failure: hangs })
  t.mock.timers.tick(60_000)
  assert.deepEqual(failures, [hangs])
  release()
  assert.equal((await early).ok, true)
  await retryingStore.turn()
  assert.deepEqual([failures, loads.length], [[hangs, null], 1])
  const { registrations, transitions } = await keptOf()
  assert.deepEqual([registrations.map(({ name }) => name), transitions.length], [['early'], 2])
  await retryingStore.close()
})

test('a store that hangs delays the start for a limited time, and is in force once it answers', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { retryingStore, hang, loads } = start()
  const release = hang()
  const started = retryingStore.start()
  t.mock.timers.tick(5000)
  await started
  assert.match(retryingStore.storeState().failure ?? '', /has not answered for 5 s/)
  assert.equal(loads.length, 0)
  release()
  await retryingStore.turn()
  assert.deepEqual([retryingStore.storeState().failure, loads.length], [null, 1])
  await retryingStore.close()
})

test('while the snapshot is applied no change is possible, and no service is reported as gone', async () => {
  const { promise: loading, resolve: finish } = Promise.withResolvers<void>()
  const store = createMemoryStore({ maxCount: 100, maxAgeMs: 1e12 }, () => 0)
  await store.append(
    ['mq', 'old'].map((service, at) => {
      return { id: at + 1, service, target: null, from: 'unknown', to: 'up', at, reason: null, message: '' }
    }),
    false,
  )
  const { retryingStore, registry, log, loads } = start({ store, loading })
  const turning = retryingStore.turn()
  await setImmediate()
  assert.equal(loads.length, 1)
  const notYet = { ok: false, failure: 'the sqlite store is not open yet' }
  assert.deepEqual(await retryingStore.store.put('new', '{}', {}), notYet)
  assert.deepEqual(await retryingStore.store.setDrained('mq', true), notYet)
  assert.equal(retryingStore.storeState().failure, notYet.failure)
  const gone = () => log.find({}).flatMap(({ service, message }) => (message.startsWith('deregistered') ? service : []))
  assert.deepEqual(gone(), [])
  registry.register([registeredService('mq', ['mq:5672'])])
  finish()
  await turning
  assert.deepEqual(gone(), ['old'])
  assert.equal(retryingStore.storeState().failure, null)
  assert.equal((await retryingStore.store.put('new', '{}', {})).ok, true)
})

test('closing writes the waiting transitions', async () => {
  const { retryingStore, turnOver, keptOf } = start()
  await retryingStore.turn()
  await turnOver('connected')
  await retryingStore.close()
  assert.equal((await keptOf()).transitions.length, 2)
  assert.equal((await retryingStore.store.put('mq', '{}', {})).ok, false)
})

test('a transition is written soon, without waiting for the next turn', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { retryingStore, turnOver, keptOf } = start()
  await retryingStore.start()
  await turnOver('connected')
  t.mock.timers.tick(100)
  await setImmediate()
  await setImmediate()
  assert.equal((await keptOf()).transitions.length, 2)
  await retryingStore.close()
})
