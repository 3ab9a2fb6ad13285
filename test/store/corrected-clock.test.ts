/** A machine whose time of day is wrong when Porthole starts, for example before NTP answered, and is corrected later. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Reason } from '../../src/domain/check/outcome.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { createTransitionLog } from '../../src/monitor/transitions/transition-log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createRetryingStore } from '../../src/store/retrying-store.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { fakeProber } from '../monitor/fakes.ts'
import { createFolder } from '../support/process.ts'
import { sampleService } from '../support/samples.ts'

const dayMs = 86_400_000
const retention = { maxCount: 1000, maxAgeMs: 30 * dayMs }
/** The real time of all events. */
const startedAt = Date.UTC(2026, 10, 22, 12)

/** Creates a machine with a store. Its time of day is wrong by `offMs`. */
function createMachine(t: TestContext, offMs = 0) {
  const directory = createFolder(t)
  const machine = { monotonic: 50_000, off: offMs, suspendedMs: 0, boot: 'first' }
  const realNow = () => startedAt + machine.monotonic + machine.suspendedMs - 50_000
  const pass = (ms: number) => {
    machine.monotonic += ms
  }

  /** Starts a Porthole. */
  async function start() {
    const since = machine.monotonic
    const clock = systemClock(
      () => machine.monotonic - since,
      () => realNow() + machine.off,
      () => machine.monotonic + machine.suspendedMs + 700_000,
      machine.boot,
      since,
    )
    const prober = fakeProber(clock)
    const registry = createRegistry()
    registry.replaceAll([sampleService('pg', ['pg:5432'], { rise: 1, fall: 1 })], [])
    const monitor = createMonitor({ registry, prober, clock, maxInFlight: 10 })
    const log = createTransitionLog({ monitor, clock })
    let store: Store | undefined
    const retryingStore = createRetryingStore({
      name: 'sqlite',
      log,
      clock,
      dating: clock.dating,
      async open() {
        const dating = clock.dating()
        const now = () => Math.floor(clock.toEpoch(clock.now()))
        const since = Math.floor(clock.toEpoch(log.completeSince()))
        const opened = await openSqliteStore({ directory, retention, now, since, dating })
        if (opened.ok) store = opened.value
        return opened
      },
      onLoad: () => undefined,
      onFailure: (failure) => assert.equal(failure, null),
    })
    let isOver = false
    const crash = async () => {
      if (!isOver) await store?.close()
      isOver = true
    }
    t.after(crash)
    return {
      clock,
      log,
      retryingStore,
      async check(reason: Reason) {
        pass(1000)
        const [target] = monitor.services.get('pg')?.targets ?? []
        assert.ok(target)
        const checked = monitor.check(target)
        await prober.pending('pg:5432').answer(reason)
        await checked
      },
      /** Registers a service whose time to live ends at once. */
      async expire(name: string) {
        const put = await retryingStore.store.put(name, '{}', {})
        assert(put.ok && put.value.done)
        assert.ok((await retryingStore.store.expire(name, put.value.registration.revision, 'expire')).ok)
      },
      /** Returns the times at which registrations expired, in milliseconds since the epoch. */
      async expired() {
        const kept = await retryingStore.store.load()
        assert(kept.ok)
        return Object.fromEntries(kept.value.registrations.map(({ name, expiredAt }) => [name, expiredAt]))
      },
      async close() {
        isOver = true
        await retryingStore.close()
      },
      /** Ends without another write. */
      crash,
      /** Returns the history, in whole milliseconds since the epoch. */
      told() {
        const time = (instant: number) => Math.floor(clock.toEpoch(instant) + 0.01)
        return {
          transitions: log.find({ service: 'pg' }).map(({ at, from, to }) => [time(at), from, to]),
          gaps: log.gaps().map(({ from, to }) => [time(from), time(to)]),
          completeSince: time(log.completeSince()),
          ids: log.find({}).map(({ id }) => id),
        }
      },
    }
  }
  return { machine, pass, start, realNow }
}

type History = ReturnType<Awaited<ReturnType<ReturnType<typeof createMachine>['start']>>['told']>

/** Returns the history without the gap that a restart adds. */
function beforeRestart(told: History): History {
  return { ...told, gaps: told.gaps.slice(0, -1) }
}

for (const [how, offMs] of [
  ['behind', -dayMs],
  ['ahead', dayMs],
  ['two seconds behind', -2000],
] as const) {
  test(`the history of a time with the clock ${how} is right after a correction, and after a restart`, async (t) => {
    const { machine, pass, start, realNow } = createMachine(t, offMs)
    const began = realNow()
    const first = await start()
    await first.retryingStore.turn()
    await first.check('connected')
    first.retryingStore.addGap({ from: first.clock.now() - 500, to: first.clock.now() - 100 })
    await first.retryingStore.turn()
    machine.off = 0
    await first.check('refused')
    await first.retryingStore.turn()
    const before = first.told()
    assert.deepEqual(before.completeSince, began)
    assert.deepEqual(
      before.transitions.filter((_, i) => i % 2 === 0).map(([at]) => at),
      [began + 2000, began + 1000],
    )
    assert.deepEqual(before.gaps, [[began + 500, began + 900]])
    assert.deepEqual(
      before.ids.toSorted((a, b) => b - a),
      before.ids,
    )
    const stoppedAt = realNow()
    await first.close()
    pass(10_000)
    const second = await start()
    await second.retryingStore.turn()
    assert.deepEqual(beforeRestart(second.told()), before)
    assert.deepEqual(second.told().gaps.at(-1), [stoppedAt, stoppedAt + 10_000])
    await second.check('connected')
    await second.retryingStore.turn()
    const { ids } = second.told()
    assert.equal(new Set(ids).size, 6)
    assert.deepEqual(
      ids.toSorted((a, b) => b - a),
      ids,
    )
  })
}

test('a correction of the clock before the first write leaves no wrong time', async (t) => {
  const { machine, start, realNow, pass } = createMachine(t, -dayMs)
  const began = realNow()
  const first = await start()
  await first.check('connected')
  machine.off = 0
  await first.retryingStore.turn()
  const before = first.told()
  assert.equal(before.completeSince, began)
  await first.close()
  pass(1000)
  const second = await start()
  await second.retryingStore.turn()
  assert.deepEqual(beforeRestart(second.told()), before)
})

test('if a process ends between the correction and its next write, the next process corrects the times', async (t) => {
  const { machine, start, realNow, pass } = createMachine(t, -dayMs)
  const began = realNow()
  const first = await start()
  await first.check('connected')
  await first.retryingStore.turn()
  machine.off = 0
  const before = first.told()
  await first.crash()
  pass(1000)
  const second = await start()
  await second.retryingStore.turn()
  const after = second.told()
  assert.deepEqual(after.transitions, before.transitions)
  assert.deepEqual([after.completeSince, after.gaps], [began, [[began + 1000, began + 2000]]])
})

test('the times of an earlier process with the right clock stay, and the time in between is a gap', async (t) => {
  const { machine, start, realNow, pass } = createMachine(t)
  const first = await start()
  await first.retryingStore.turn()
  await first.check('connected')
  await first.close()
  const before = first.told()
  const stoppedAt = realNow()
  // The machine starts again, and its clock is one day behind.
  Object.assign(machine, { boot: 'second', off: -dayMs })
  pass(60_000)
  const second = await start()
  await second.check('connected')
  await second.retryingStore.turn()
  machine.off = 0
  await second.retryingStore.turn()
  const told = second.told()
  assert.deepEqual(told.transitions, before.transitions)
  assert.deepEqual(told.gaps, [[stoppedAt, stoppedAt + 60_000]])
  await second.close()
  pass(1000)
  const third = await start()
  await third.retryingStore.turn()
  assert.deepEqual(beforeRestart(third.told()), told)
})

test('small differences of the clock and a suspension change no stored time', async (t) => {
  const { machine, start, pass } = createMachine(t)
  const first = await start()
  await first.check('connected')
  await first.retryingStore.turn()
  const before = first.told()
  for (const off of [400, 900, -300]) {
    machine.off = off
    await first.retryingStore.turn()
  }
  machine.off = 0
  machine.suspendedMs += 8 * 3_600_000
  first.clock.noticeSuspension()
  await first.retryingStore.turn()
  assert.deepEqual(first.told(), before)
  await first.close()
  pass(1000)
  const second = await start()
  await second.retryingStore.turn()
  assert.deepEqual(beforeRestart(second.told()), before)
})

test('a corrected clock is noticed also after a suspension of the machine', async (t) => {
  const { machine, start, pass, realNow } = createMachine(t, -dayMs)
  const began = realNow()
  const first = await start()
  await first.check('connected')
  await first.retryingStore.turn()
  machine.suspendedMs += 8 * 3_600_000
  first.clock.noticeSuspension()
  await first.retryingStore.turn()
  machine.off = 0
  await first.retryingStore.turn()
  const before = first.told()
  assert.deepEqual(before.transitions.at(-1), [began + 1000, 'unknown', 'up'])
  await first.close()
  pass(1000)
  const second = await start()
  await second.retryingStore.turn()
  assert.deepEqual(beforeRestart(second.told()), before)
})

test('the time at which a registration expired is corrected too, except a time of an earlier process', async (t) => {
  const { machine, start, pass, realNow } = createMachine(t)
  const early = await start()
  await early.retryingStore.turn()
  await early.expire('early')
  const expiredEarly = realNow()
  await early.close()
  Object.assign(machine, { boot: 'second', off: -dayMs })
  pass(60_000)
  const first = await start()
  await first.retryingStore.turn()
  await first.expire('late')
  const expiredLate = realNow()
  pass(1000)
  machine.off = 0
  await first.retryingStore.turn()
  assert.deepEqual(await first.expired(), { early: expiredEarly, late: expiredLate })
  await first.close()
  pass(1000)
  const second = await start()
  await second.retryingStore.turn()
  assert.deepEqual(await second.expired(), { early: expiredEarly, late: expiredLate })
})
