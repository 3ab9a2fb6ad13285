import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { phaseOf } from '../../../src/domain/check/schedule.ts'
import { nextHealth } from '../../../src/domain/health/health.ts'
import type { Pause } from '../../../src/domain/health/pause.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import { createMonitor } from '../../../src/monitor/monitor.ts'
import { createRegistry } from '../../../src/monitor/registry/registry.ts'
import { createScheduler } from '../../../src/monitor/scheduling/scheduler.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { sampleOutcome, sampleService } from '../../support/samples.ts'
import { fakeProber, watch } from '../fakes.ts'

/** The tolerance for instants, because they are sums of fractions. */
const roundingMs = 0.01
/** A tick so short that checks start exactly at their scheduled time. */
const fineTickMs = 1 / 1024

/** Creates a monitor and a scheduler that the test runs by hand. */
function schedule(
  services: readonly Service[],
  maxInFlight?: number,
  tickMs = fineTickMs,
  pauses: readonly Pause[] = [],
) {
  // The clock has a fraction, like performance.now, so sums with it are rounded.
  const world = watch(services, maxInFlight, 5000.123456)
  const { clock, prober, monitor } = world
  const scheduler = createScheduler({ monitor, clock, tickMs, pauses: { ofProcess: pauses, ofChecks: pauses } })
  const begunAt = (target: string) =>
    prober.begun.filter(({ request }) => request.target.name === target).map(({ startedAt }) => startedAt)

  /** Advances to `lateMs` after the next scheduled check, and ends every check that begins there. */
  async function checkOnSchedule(reason: Reason = 'connected', lateMs = 0): Promise<void> {
    const due = scheduler.runDue()
    if (due === null) throw new Error('nothing is scheduled')
    clock.advanceTo(due + lateMs)
    scheduler.runDue()
    await prober.answerAll(reason)
  }

  /** Advances the time in small steps, and ends every check at once. Calls `onStep` before each step with the time so far. */
  async function run(ms: number, stepMs: number, onStep?: (passedMs: number) => void): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      onStep?.(passed)
      clock.advance(stepMs)
      scheduler.runDue()
      await prober.answerAll('connected')
    }
  }

  return { ...world, scheduler, begunAt, checkOnSchedule, run }
}

const gaps = (instants: readonly number[]) =>
  instants.slice(1).map((instant, index) => instant - (instants[index] ?? 0))

test('overdue checks start in batches, so that other work gets its turn', () => {
  const names = Array.from({ length: 100 }, (_, n) => `db-${n}.internal:5432`)
  const { clock, prober, scheduler } = schedule([sampleService('pg', names)], 2000)
  // The start of each check takes one millisecond.
  const { check } = prober
  prober.check = (request, ended) => {
    clock.advance(1)
    check(request, ended)
  }
  clock.advance(1000)
  const begun: number[] = []
  while ((scheduler.runDue() ?? Number.POSITIVE_INFINITY) <= clock.now()) begun.push(prober.begun.length)
  assert.equal(prober.begun.length, 100)
  assert.ok(begun.length >= 5, `${begun}`)
})

test('the first checks are spread evenly over one second, at any interval', () => {
  const names = Array.from({ length: 1000 }, (_, n) => `db-${n}.internal:5432`)
  const { clock, prober, scheduler } = schedule([sampleService('pg', names, { interval: 600_000 })], 2000)
  const perTenth: number[] = []
  for (let tenth = 0; tenth < 10; tenth++) {
    const before = prober.begun.length
    for (let step = 0; step < 10; step++) {
      clock.advance(10)
      scheduler.runDue()
    }
    perTenth.push(prober.begun.length - before)
  }
  assert.equal(prober.begun.length, 1000)
  // The mean is 100 in each tenth. The bounds are five standard deviations of 9.5 away.
  assert.ok(Math.min(...perTenth) >= 52 && Math.max(...perTenth) <= 148, perTenth.join(' '))
})

test('the first checks of 50,000 targets start at no more than 25 a millisecond', () => {
  const names = Array.from({ length: 50_000 }, (_, n) => `db-${n}.internal:5432`)
  const { clock, prober, scheduler } = schedule([sampleService('pg', names, { interval: 600_000 })], 60_000)
  const begun: number[] = []
  for (let step = 0; step < 20; step++) {
    clock.advance(100)
    // The scheduler yields while many checks are due, so call it until it is done.
    while ((scheduler.runDue() ?? Number.POSITIVE_INFINITY) <= clock.now());
    begun.push(prober.begun.length)
  }
  // Half of them after one second. The bounds are five standard deviations of 112 away.
  assert.ok(Math.abs((begun[9] ?? 0) - 25_000) < 560, begun.join(' '))
  assert.equal(begun[19], 50_000)
})

test('after a pause the oldest checks begin first, as fast as after a late start', async () => {
  const pauses: Pause[] = []
  const services = Array.from({ length: 1000 }, (_, n) => sampleService(`s-${n}`, [`db-${n}:1`], { interval: 1000 }))
  const { clock, prober, scheduler, run, checked } = schedule(services, 60_000, 40, pauses)
  scheduler.start()
  await run(3000, 10)
  const from = clock.now()
  clock.advance(5000)
  pauses.push({ from, to: clock.now() })
  const before = prober.begun.length
  const begun: number[] = []
  for (let step = 0; step < 60; step++) {
    assert.ok(scheduler.overdueMs() < 100, `${scheduler.overdueMs()} ms`)
    scheduler.runDue()
    begun.push(prober.begun.length - before)
    await prober.answerAll('connected')
    clock.advance(10)
  }
  scheduler.stop()
  const [first = 0] = begun
  assert.ok(first > 0 && first < 200, begun.join(' '))
  assert.ok((begun[20] ?? 0) < 800, begun.join(' '))
  assert.ok((begun[59] ?? 0) >= 1000, begun.join(' '))
  const due = checked.slice(before, before + 1000).map(({ outcome, lateMs }) => outcome.startedAt - (lateMs ?? 0))
  // Checks that are due within one tick begin in any order.
  assert.ok(due.every((instant, i) => i === 0 || instant >= (due[i - 1] ?? 0) - 40))
})

test('no check begins before its scheduled time', () => {
  const { prober, scheduler, clock } = schedule([sampleService('pg', ['db-1:5432'])])
  const due = scheduler.runDue() ?? 0
  assert.ok(due > clock.now() && due <= clock.now() + 1000)
  clock.advanceTo(due - 0.001)
  assert.equal(scheduler.runDue(), due)
  assert.equal(prober.begun.length, 0)
})

test('a target keeps its phase and misses no check over 1,000 intervals, even if the scheduler always runs late', async () => {
  const { checkOnSchedule, begunAt, checked, clock } = schedule([
    sampleService('pg', ['db-1:5432'], { interval: 1000 }),
  ])
  await checkOnSchedule()
  for (let n = 0; n < 1000; n++) await checkOnSchedule('connected', (n * 37) % 450)
  const startedAts = checked.map(({ outcome, lateMs }) => outcome.startedAt - (lateMs ?? Number.NaN))
  const [, first = 0] = startedAts
  const last = startedAts.at(-1) ?? 0
  assert.equal(begunAt('db-1:5432').length, 1001)
  assert.ok(Math.abs(last - first - 999 * 1000) < roundingMs, `drifted by ${last - first - 999_000} ms`)
  const phaseMs = phaseOf('pg\ndb-1:5432') * 1000
  for (const instant of startedAts.slice(1)) {
    const off = (clock.toEpoch(instant) - phaseMs) / 1000
    assert.ok(Math.abs(off - Math.round(off)) * 1000 < roundingMs)
  }
})

test('the second check comes at the next scheduled time of the phase, never at once', async () => {
  for (let n = 0; n < 50; n++) {
    const { checkOnSchedule, begunAt } = schedule([sampleService('pg', [`db-${n}:1`], { interval: 10_000 })])
    await checkOnSchedule()
    await checkOnSchedule()
    const [gap = 0] = gaps(begunAt(`db-${n}:1`))
    assert.ok(gap >= 1000 && gap <= 11_000, `${gap} ms`)
  }
})

test('a scheduler that runs many intervals late checks once, not once for each missed time', async () => {
  const { checkOnSchedule, begunAt, scheduler } = schedule([sampleService('pg', ['a:1'], { interval: 1000 })])
  await checkOnSchedule()
  await checkOnSchedule('connected', 60_000)
  await checkOnSchedule()
  await checkOnSchedule()
  const [, , gap = 0, next = 0] = [0, ...gaps(begunAt('a:1'))]
  assert.ok(gap >= 500 && gap <= 1500, `${gap} ms`)
  assert.ok(Math.abs(next - 1000) < roundingMs, `${next} ms`)
  assert.notEqual(scheduler.runDue(), null)
})

test('a check that outlasts its interval is not made twice, and the skipped checks are counted', async () => {
  const { clock, prober, scheduler, monitor, checkOnSchedule } = schedule([
    sampleService('pg', ['a:1'], { interval: 1000 }),
  ])
  await checkOnSchedule()
  clock.advanceTo(scheduler.runDue() ?? 0)
  scheduler.runDue()
  for (let skipped = 1; skipped <= 3; skipped++) {
    clock.advanceTo(scheduler.runDue() ?? 0)
    scheduler.runDue()
    assert.equal(monitor.stats().skippedChecks, skipped)
  }
  assert.equal(prober.begun.length, 2)
  await prober.pending('a:1').answer('connected')
  await checkOnSchedule()
  assert.equal(prober.begun.length, 3)
  assert.equal(monitor.stats().skippedChecks, 3)
})

test('a check for a caller also makes the scheduled check skip', async () => {
  const { clock, prober, scheduler, monitor, checkOnSchedule, target } = schedule([sampleService('pg', ['a:1'])])
  await checkOnSchedule()
  const due = scheduler.runDue() ?? 0
  clock.advanceTo(due)
  void monitor.check(target('pg', 'a:1'))
  scheduler.runDue()
  assert.equal(prober.begun.length, 2)
  assert.equal(monitor.stats().skippedChecks, 1)
  await prober.pending('a:1').answer('connected')
})

test('with a minAge of 0 no scheduled check comes twice', async () => {
  for (let n = 0; n < 100; n++) {
    const { checkOnSchedule, begunAt, monitor } = schedule([
      sampleService('pg', [`db-${n}:1`], { interval: 777, minAge: 0 }),
    ])
    for (let startedAts = 0; startedAts < 50; startedAts++) await checkOnSchedule()
    const shortest = Math.min(...gaps(begunAt(`db-${n}:1`)).slice(1))
    assert.equal(monitor.stats().skippedChecks, 0)
    assert.ok(shortest > 776, `${shortest} ms after the previous check`)
  }
})

test('a first failure brings the next check forward to the fast interval, and a confirmed one delays it', async () => {
  const settings = { interval: 10_000, fastInterval: 1000, downInterval: 60_000, fall: 3, rise: 2 }
  const { checkOnSchedule, begunAt, scheduler, clock, target } = schedule([sampleService('pg', ['a:1'], settings)])
  const untilNext = () => (scheduler.runDue() ?? 0) - clock.now()
  await checkOnSchedule('connected')
  await checkOnSchedule('connected')
  assert.ok(Math.abs(untilNext() - 10_000) < roundingMs)
  await checkOnSchedule('refused')
  assert.ok(untilNext() >= 500 && untilNext() <= 1500, `${untilNext()} ms`)
  await checkOnSchedule('refused')
  assert.ok(Math.abs(untilNext() - 1000) < roundingMs)
  await checkOnSchedule('refused')
  assert.equal(target('pg', 'a:1').health.status, 'down')
  await checkOnSchedule('refused')
  assert.ok(untilNext() > 1500 && untilNext() <= 61_000, `${untilNext()} ms`)
  await checkOnSchedule('refused')
  assert.ok(Math.abs(untilNext() - 60_000) < roundingMs)
  await checkOnSchedule('connected')
  assert.ok(untilNext() <= 1500)
  await checkOnSchedule('connected')
  assert.equal(target('pg', 'a:1').health.status, 'up')
  assert.equal(begunAt('a:1').length, 9)
})

test('a failed check for a caller also brings the next scheduled check forward', async () => {
  const settings = { interval: 600_000, fastInterval: 1000 }
  const { checkOnSchedule, scheduler, clock, target, checkOnce } = schedule([sampleService('pg', ['a:1'], settings)])
  await checkOnSchedule('connected')
  await checkOnSchedule('connected')
  clock.advance(100_000)
  await checkOnce(target('pg', 'a:1'), 'refused')
  assert.ok((scheduler.runDue() ?? 0) - clock.now() <= 1500)
})

test('a failed check of another replica also brings the next check forward, and sets the interval kind', async () => {
  const settings = { interval: 600_000, fastInterval: 1000, downInterval: 1_200_000, fall: 2 }
  const { checkOnSchedule, scheduler, clock, monitor, service, target } = schedule([
    sampleService('pg', ['a:1'], settings),
  ])
  const untilNext = () => (scheduler.runDue() ?? 0) - clock.now()
  await checkOnSchedule('connected')
  await checkOnSchedule('connected')
  const state = target('pg', 'a:1')
  const adopt = () => {
    clock.advance(100)
    const health = nextHealth(state.health, sampleOutcome('refused', clock.now()), service('pg').service.policy)
    const { emittedStatus, checks, failures, connectMs, synRetransmits, lossAt, lookupTotalMs, slowLookupAt } = state
    const memory = {
      health,
      emittedStatus,
      checks,
      failures,
      connectMs,
      synRetransmits,
      lossAt,
      lookupTotalMs,
      slowLookupAt,
    }
    monitor.adopt(service('pg'), null, new Map([['a:1', memory]]))
  }
  adopt()
  assert.ok(untilNext() <= 1500, `${untilNext()} ms`)
  adopt()
  assert.equal(state.health.status, 'down')
  await checkOnSchedule('refused')
  assert.ok(untilNext() > 1500, `${untilNext()} ms`)
  await checkOnSchedule('refused')
  assert.ok(Math.abs(untilNext() - 1_200_000) < roundingMs, `${untilNext()} ms`)
})

test('a changed interval applies at once, shorter or longer', async () => {
  const { registry, run, begunAt } = schedule([sampleService('pg', ['a:1'], { interval: 60_000 })])
  await run(2000, 100)
  registry.replaceAll([sampleService('pg', ['a:1'], { interval: 1000 })], [])
  const before = begunAt('a:1').length
  await run(20_000, 100)
  const fast = begunAt('a:1').length
  assert.ok(Math.abs(fast - before - 20) <= 1, `${fast - before} checks`)
  registry.replaceAll([sampleService('pg', ['a:1'], { interval: 10_000 })], [])
  await run(60_000, 100)
  const slow = begunAt('a:1').length - fast
  assert.ok(Math.abs(slow - 6) <= 1, `${slow} checks`)
})

test('a definition that changes all the time does not delay the first check', async () => {
  const { registry, run, begunAt } = schedule([sampleService('pg', ['a:1'])])
  let timeout = 1000
  await run(1500, 10, (passed) => {
    if (passed % 100 !== 0) return
    timeout++
    registry.replaceAll([sampleService('pg', ['a:1'], { timeout })], [])
  })
  assert.ok(begunAt('a:1').length >= 1)
})

test('a target with interval: off is not scheduled, from the start or after a change', async () => {
  const off = sampleService('mq', ['mq:1'], { interval: 'off' })
  const { registry, scheduler, run, prober } = schedule([off])
  assert.equal(scheduler.runDue(), null)
  registry.replaceAll([off, sampleService('pg', ['a:1'])], [])
  await run(20_000, 100)
  const before = prober.begun.length
  assert.ok(before >= 2)
  registry.replaceAll([off, sampleService('pg', ['a:1'], { interval: 'off' })], [])
  await run(60_000, 100)
  assert.equal(prober.begun.length, before)
  assert.equal(scheduler.runDue(), null)
})

test('a removed target is never checked again, and a new target is checked', async () => {
  const { registry, scheduler, run, begunAt } = schedule([
    sampleService('pg', ['a:1', 'b:1']),
    sampleService('web', ['w:1']),
  ])
  await run(2000, 100)
  registry.replaceAll([sampleService('pg', ['a:1', 'c:1'])], [])
  const before = [begunAt('b:1').length, begunAt('w:1').length]
  assert.deepEqual(before.map(Math.sign), [1, 1])
  await run(1000, 100)
  assert.equal(begunAt('c:1').length, 1)
  await run(60_000, 100)
  assert.deepEqual([begunAt('b:1').length, begunAt('w:1').length], before)
  assert.ok(begunAt('a:1').length >= 6)
  registry.replaceAll([], [])
  assert.equal(scheduler.runDue(), null)
})

for (const [direction, stepMs] of [
  ['back', -3_600_000],
  ['forward', 3_600_000],
] as const) {
  test(`a wall clock that steps an hour ${direction} causes neither a gap nor a burst of checks`, async () => {
    const { clock, run, begunAt } = schedule([sampleService('pg', ['a:1', 'b:1', 'c:1'], { interval: 1000 })])
    await run(120_000, 20, (passed) => {
      if (passed === 60_000) clock.stepWall(stepMs + 333)
    })
    for (const name of ['a:1', 'b:1', 'c:1']) {
      const between = gaps(begunAt(name)).slice(1)
      assert.ok(Math.max(...between) <= 1540, `${Math.max(...between)} ms without a check`)
      assert.ok(Math.min(...between) >= 480, `only ${Math.min(...between)} ms between two checks`)
      assert.ok(Math.abs(begunAt(name).length - 120) <= 2, `${begunAt(name).length} checks`)
    }
  })
}

test('the wall clock may step at any moment, even while the next check is planned', async () => {
  for (const stepMs of [-3_600_000, 3_600_000]) {
    for (let step = 1; step <= 60; step++) {
      let instant = 0
      let readings = 0
      const wall = () => 1.79e12 + instant + (++readings > step ? stepMs : 0)
      const clock = systemClock(
        () => instant,
        wall,
        () => null,
      )
      const prober = fakeProber(clock)
      const registry = createRegistry()
      registry.replaceAll([sampleService('pg', ['a:1'], { interval: 1000 })], [])
      const monitor = createMonitor({ registry, prober, clock, maxInFlight: 10 })
      const scheduler = createScheduler({ monitor, clock })
      for (; instant < 12_000; instant += 100) {
        scheduler.runDue()
        await prober.answerAll('connected')
      }
      const between = gaps(prober.begun.map(({ startedAt }) => startedAt))
      const when = `when it stepped by ${stepMs} ms at reading ${step}`
      assert.ok(Math.max(...between) <= 1600, `${Math.max(...between)} ms without a check ${when}`)
      assert.ok(Math.min(...between.slice(1)) >= 400, `${Math.min(...between)} ms between two checks ${when}`)
      assert.equal(monitor.stats().skippedChecks, 0, `checks skipped ${when}`)
    }
  }
})

/** Creates a scheduler that runs by itself, with mock timers. */
function turning(t: TestContext, services: readonly Service[], tickMs?: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const world = schedule(services, 5000, tickMs)
  return {
    ...world,
    async pass(ms: number, stepMs: number): Promise<void> {
      for (let passed = 0; passed < ms; passed += stepMs) {
        world.clock.advance(stepMs)
        t.mock.timers.tick(stepMs)
        await world.prober.answerAll('connected')
      }
      await setImmediate()
    },
  }
}

test('the scheduler runs by itself from start to stop', async (t) => {
  const { scheduler, pass, begunAt } = turning(t, [sampleService('pg', ['a:1'], { interval: 1000 })])
  await pass(5000, 5)
  assert.equal(begunAt('a:1').length, 0)
  scheduler.start()
  await pass(10_000, 5)
  const count = begunAt('a:1').length
  assert.ok(Math.abs(count - 10) <= 1, `${count} checks`)
  scheduler.stop()
  await pass(10_000, 5)
  assert.equal(begunAt('a:1').length, count)
})

test('a scheduler that is started long after its creation still spreads the first checks', async (t) => {
  const names = Array.from({ length: 1000 }, (_, n) => `db-${n}:1`)
  const { scheduler, pass, clock, prober } = turning(t, [sampleService('pg', names)])
  clock.advance(30_000)
  scheduler.start()
  await pass(100, 5)
  assert.ok(prober.begun.length <= 148, `${prober.begun.length} checks in the first tenth of a second`)
  await pass(950, 5)
  assert.equal(prober.begun.length, 1000)
})

test('a target that is added while the scheduler runs is checked within a second', async (t) => {
  const { scheduler, pass, registry, begunAt } = turning(t, [])
  scheduler.start()
  await pass(5000, 5)
  registry.replaceAll([sampleService('pg', ['a:1'])], [])
  await pass(1025, 5)
  assert.equal(begunAt('a:1').length, 1)
})

test('checks that are due within one tick start together', async (t) => {
  const names = Array.from({ length: 1000 }, (_, n) => `db-${n}:1`)
  const { scheduler, pass, prober, checked } = turning(t, [sampleService('pg', names)], 40)
  scheduler.start()
  await pass(1045, 1)
  assert.equal(prober.begun.length, 1000)
  const checkQueue = new Set(prober.begun.map(({ startedAt }) => startedAt))
  assert.ok(checkQueue.size <= 26, `${checkQueue.size} turns in a second`)
  const lateMs = checked.map((check) => check.lateMs ?? Number.NaN)
  assert.ok(Math.min(...lateMs) >= 0 && Math.max(...lateMs) <= 42, `${Math.max(...lateMs)} ms late`)
})
