import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome, Reason } from '../../../src/domain/check/outcome.ts'
import type { Pause } from '../../../src/domain/health/pause.ts'
import { createDialRules } from '../../../src/domain/target/dial-rules.ts'
import { createMonitor } from '../../../src/monitor/monitor.ts'
import { createRegistry } from '../../../src/monitor/registry/registry.ts'
import type { TargetState } from '../../../src/monitor/state/state.ts'
import { changedService, sampleService } from '../../support/samples.ts'
import { fakeClock, fakeProber, watch } from '../fakes.ts'

const isUnderWay = ({ check }: TargetState) => check !== null && check !== 'waiting' && check.hasBegun

/** Checks the targets of a service of this origin, and returns the dial rules of each check. Each check has the next of `rules`. */
function rulesGiven(origin: 'file' | 'http', ...rules: ReturnType<typeof createDialRules>[]) {
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll([changedService(sampleService('pg', ['a:1', 'b:1']), { origin })], [])
  const [first, ...later] = rules
  let rulesInForce = first ?? createDialRules({})
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 10, dialRules: () => rulesInForce })
  for (const target of monitor.services.get('pg')?.targets ?? []) {
    void monitor.check(target)
    rulesInForce = later.shift() ?? rulesInForce
  }
  return prober.begun.map(({ request }) => request.rules)
}

test('services of the file are checked without dial rules', () => {
  assert.deepEqual(rulesGiven('file', createDialRules({ allow: [] })), [null, null])
})

test('services registered over HTTP are checked under the rules in force when the check begins', () => {
  const [before, after] = [createDialRules({}), createDialRules({ allow: [] })]
  const given = rulesGiven('http', before, after)
  assert.equal(given.length, 2)
  assert.ok(given[0] === before && given[1] === after)
})

/** Creates a monitor of 20 unresponsive targets and three that answer, with room for eight checks. */
function withUnresponsive() {
  const { clock, prober, monitor } = watch(
    [
      sampleService(
        'silent',
        Array.from({ length: 20 }, (_, i) => `dead-${i}:1`),
        { timeout: 1000 },
      ),
      sampleService('web', ['a:1', 'b:1', 'c:1'], { timeout: 1000 }),
    ],
    8,
  )
  const targetsOf = (service: string) => monitor.services.get(service)?.targets ?? []
  return {
    monitor,
    targetsOf,
    scheduleAll(service: string, from = 0) {
      for (const target of targetsOf(service).slice(from)) monitor.checkOnSchedule(target, clock.now())
    },
    underWay: (service: string) => targetsOf(service).filter(isUnderWay).length,
    /** Ends all checks, waiting ones too. Checks under way end together. */
    async endAll(reason: Reason, afterMs: number) {
      while (monitor.stats().inFlight > 0) {
        clock.advance(afterMs)
        for (const check of prober.begun.splice(0)) await check.answer(reason)
      }
    },
  }
}

test('unresponsive targets take at most half of the room, and other targets never wait behind them', async () => {
  const { monitor, targetsOf, scheduleAll, underWay, endAll } = withUnresponsive()
  // Before their first check, unresponsive targets are like all others.
  scheduleAll('silent')
  assert.equal(underWay('silent'), 8)
  await endAll('timeout', 1000)
  scheduleAll('silent')
  scheduleAll('web')
  assert.deepEqual([underWay('silent'), underWay('web')], [4, 3])
  assert.equal(monitor.stats().waiting, 16)

  // A check for a caller does not wait behind scheduled checks.
  const last = targetsOf('silent').at(-1)
  assert(last)
  const asked = monitor.check(last)
  assert.equal(isUnderWay(last), true)
  await endAll('timeout', 1000)
  await asked
  assert.deepEqual(monitor.stats(), { inFlight: 0, waiting: 0, skippedChecks: 0, proberRestarts: 0 })
  assert.deepEqual(
    targetsOf('silent').map(({ checks }) => checks),
    Array(20).fill(2),
  )
})

test('checks for callers of unresponsive targets block neither other targets nor scheduled checks of the same ones', async () => {
  const { monitor, targetsOf, scheduleAll, underWay, endAll } = withUnresponsive()
  scheduleAll('silent')
  await endAll('timeout', 1000)
  const asked = targetsOf('silent').slice(0, 10).map(monitor.check)
  assert.equal(underWay('silent'), 4)
  scheduleAll('silent', 10)
  scheduleAll('web')
  assert.deepEqual([underWay('silent'), underWay('web')], [6, 2])
  await endAll('timeout', 1000)
  await Promise.all(asked)
  assert.equal(monitor.stats().waiting, 0)
})

for (const [reason, tookMs, most] of [
  ['timeout', 1000, 4],
  ['local', 1000, 4],
  ['unreachable', 600, 4],
  ['dns', 20, 8],
  ['local', 0, 8],
  ['connected', 1000, 8],
] as const) {
  test(`targets whose checks end with ${reason} after ${tookMs} ms of 1000 have at most ${most} of 8 checks under way`, async () => {
    const { scheduleAll, underWay, endAll } = withUnresponsive()
    scheduleAll('silent')
    await endAll(reason, tookMs)
    scheduleAll('silent')
    assert.equal(underWay('silent'), most)
    await endAll(reason, tookMs)
  })
}

/** Creates a monitor of one target that is up. The test pauses its process. */
async function withPauses() {
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll([sampleService('pg', ['a:1'], { interval: 1000, timeout: 500, fall: 1 })], [])
  const pauses: Pause[] = []
  const of = { ofProcess: pauses, ofChecks: pauses }
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 10, pauses: of })
  const [target] = monitor.services.get('pg')?.targets ?? []
  assert.ok(target)
  const first = monitor.check(target)
  await prober.pending('a:1').answer('connected')
  await first
  const pause = (ms: number) => {
    const from = clock.now()
    clock.advance(ms)
    pauses.push({ from, to: clock.now() })
  }
  return { clock, prober, monitor, target, pause }
}

const interruptions: readonly (readonly [string, Reason, Partial<Outcome>])[] = [
  ['a check that timed out', 'timeout', {}],
  ['a look-up that ran out of time', 'local', { code: null }],
  ['a dial that would begin too late', 'local', { code: 'ETIME' }],
]
for (const [what, reason, more] of interruptions) {
  test(`${what} during a pause is repeated, and its callers wait for that`, async () => {
    const { prober, monitor, target, pause } = await withPauses()
    monitor.checkOnSchedule(target, 0)
    let isAnswered = false
    const asked = monitor.check(target).then(() => {
      isAnswered = true
    })
    pause(5000)
    await prober.pending('a:1').answer(reason, more)
    assert.deepEqual([target.health.status, target.checks, isAnswered], ['up', 1, false])
    assert.deepEqual(monitor.stats().inFlight, 1)
    await prober.pending('a:1').answer('connected')
    await asked
    assert.deepEqual([target.health.status, target.checks, isAnswered], ['up', 2, true])
    assert.deepEqual([monitor.stats().inFlight, monitor.stats().waiting], [0, 0])
  })
}

test('an outcome other than a timeout counts despite a pause, and so does a timeout without a pause', async () => {
  const { prober, monitor, target, pause } = await withPauses()
  monitor.checkOnSchedule(target, 0)
  pause(5000)
  await prober.pending('a:1').answer('refused')
  assert.equal(target.health.status, 'down')
  monitor.checkOnSchedule(target, 0)
  await prober.pending('a:1').answer('timeout')
  assert.deepEqual([target.checks, monitor.stats().inFlight], [3, 0])
})

test('the overdue time of a check is only the time in which this process ran', async () => {
  const { clock, monitor, target, pause } = await withPauses()
  monitor.checkOnSchedule(target, 0)
  assert.equal(monitor.overdueMs(), 0)
  pause(5000)
  assert.equal(monitor.overdueMs(), 0)
  clock.advance(1500)
  assert.equal(monitor.overdueMs(), 1000)
})
