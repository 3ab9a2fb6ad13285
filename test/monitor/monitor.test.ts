import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { diagnose } from '../../src/domain/check/diagnosis.ts'
import { effectiveStatus } from '../../src/domain/health/health.ts'
import { buildService } from '../../src/domain/service/service.ts'
import { createDialRules } from '../../src/domain/target/dial-rules.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { registeredService, sampleOutcome, sampleService, sampleTarget } from '../support/samples.ts'
import { fakeClock, fakeProber, isSettled, watch } from './fakes.ts'

const pg = () => sampleService('pg', ['db-1:5432'])
const onDemand = () => sampleService('mq', ['mq:61616'], { interval: 'off', maxAge: 5000 })
/** Starts mock timers, because the monitor measures waits by the timers of the machine. */
const holdTimers = (t: TestContext) => t.mock.timers.enable({ apis: ['setTimeout'] })

test('100 concurrent callers share one check', async () => {
  const { prober, monitor, service } = watch([pg()])
  const asked = Array.from({ length: 100 }, () => monitor.refresh([service('pg')], 0, 60_000))
  assert.equal(prober.begun.length, 1)
  await prober.pending('db-1:5432').answer('connected')
  await Promise.all(asked)
  assert.equal(prober.begun.length, 1)
  assert.equal(service('pg').targets[0]?.checks, 1)
})

test('a check for a caller joins the scheduled check under way, and the other way round', async () => {
  const { prober, monitor, target, checked, clock } = watch([pg()])
  const state = target('pg', 'db-1:5432')
  monitor.checkOnSchedule(state, clock.now())
  const joined = monitor.check(state)
  await prober.pending('db-1:5432').answer('connected')
  await joined
  const asked = monitor.check(state)
  monitor.checkOnSchedule(state, clock.now())
  await prober.pending('db-1:5432').answer('connected')
  await asked
  assert.equal(prober.begun.length, 2)
  assert.equal(monitor.stats().skippedChecks, 1)
  assert.deepEqual(
    checked.map(({ lateMs }) => lateMs),
    [0, null],
  )
})

test('a caller with a shorter wait returns earlier, and the check goes on and counts', async (t) => {
  holdTimers(t)
  const { prober, monitor, service, target } = watch([pg()])
  const hasty = monitor.refresh([service('pg')], 0, 500)
  const patient = monitor.refresh([service('pg')], 0, 3000)
  t.mock.timers.tick(499)
  assert.equal(await isSettled(hasty), false)
  t.mock.timers.tick(1)
  assert.equal(await isSettled(hasty), true)
  assert.equal(await isSettled(patient), false)
  assert.equal(prober.begun.length, 1)
  await prober.pending('db-1:5432').answer('connected')
  assert.equal(await isSettled(patient), true)
  assert.equal(target('pg', 'db-1:5432').health.status, 'up')
})

test('a caller waits for every target with a too old outcome, and only for these targets', async () => {
  const { prober, monitor, service, target, clock, checkOnce } = watch([sampleService('pg', ['a:1', 'b:1', 'c:1'])])
  await checkOnce(target('pg', 'a:1'), 'connected')
  clock.advance(3000)
  await checkOnce(target('pg', 'b:1'), 'connected')
  const asked = monitor.refresh([service('pg')], 2000, 60_000)
  assert.deepEqual(
    prober.begun.slice(2).map(({ request }) => request.target.name),
    ['a:1', 'c:1'],
  )
  await prober.pending('c:1').answer('connected')
  assert.equal(await isSettled(asked), false)
  await prober.pending('a:1').answer('connected')
  await asked
})

test('the prober gets the settings of the policy, and a check for a caller is urgent', async () => {
  const service = sampleService('pg', ['a:1', 'b:1'], { timeout: 700, close: 'fin', lookupHold: 60_000 })
  const { prober, monitor, target, clock } = watch([service])
  void monitor.check(target('pg', 'a:1'))
  monitor.checkOnSchedule(target('pg', 'b:1'), clock.now())
  const [a, b] = service.targets
  const alike = { timeoutMs: 700, close: 'fin', rules: null, lookupHoldMs: 60_000 } as const
  assert.deepEqual(
    prober.begun.map(({ request }) => request),
    [
      { target: a, memory: target('pg', 'a:1'), urgent: true, ...alike },
      { target: b, memory: target('pg', 'b:1'), urgent: false, ...alike },
    ],
  )
  await prober.answerAll('connected')
})

test('a target is not dialled again within minAge, for any number of requests', async () => {
  const { prober, monitor, service, target, clock, checkOnce } = watch([sampleService('pg', ['a:1'], { minAge: 1000 })])
  await checkOnce(target('pg', 'a:1'), 'connected')
  for (let n = 0; n < 10; n++) {
    clock.advance(100)
    assert.equal(monitor.refresh([service('pg')], 0, 60_000), null)
  }
  assert.equal(prober.begun.length, 1)
  clock.advance(1)
  void monitor.refresh([service('pg')], 0, 60_000)
  assert.equal(prober.begun.length, 2)
  await prober.pending('a:1').answer('connected')
})

test('without an age from the caller, an on-demand service is checked once older than its maxAge', async () => {
  const { prober, monitor, service, target, clock, checkOnce } = watch([onDemand()])
  await checkOnce(target('mq', 'mq:61616'), 'connected')
  clock.advance(5000)
  assert.equal(monitor.refresh([service('mq')], null, 60_000), null)
  assert.equal(prober.begun.length, 1)
  clock.advance(1)
  void monitor.refresh([service('mq')], null, 60_000)
  assert.equal(prober.begun.length, 2)
  await prober.pending('mq:61616').answer('connected')
})

test('an on-demand service that was never checked is checked on request', async () => {
  const { prober, monitor, service } = watch([onDemand()])
  const asked = monitor.refresh([service('mq')], null, 60_000)
  await prober.pending('mq:61616').answer('refused')
  await asked
  assert.equal(service('mq').targets[0]?.health.status, 'down')
})

test('the age of the caller overrides maxAge, shorter or longer', async () => {
  const { prober, monitor, service, target, clock, checkOnce } = watch([onDemand()])
  await checkOnce(target('mq', 'mq:61616'), 'connected')
  clock.advance(15_000)
  assert.equal(monitor.refresh([service('mq')], 15_000, 60_000), null)
  assert.equal(prober.begun.length, 1)
  void monitor.refresh([service('mq')], 14_999, 60_000)
  assert.equal(prober.begun.length, 2)
  await prober.pending('mq:61616').answer('connected')
})

test('a stale on-demand service is checked, at any age that the caller accepts', async () => {
  const { prober, monitor, service, target, clock, checkOnce } = watch([onDemand()])
  await checkOnce(target('mq', 'mq:61616'), 'connected')
  clock.advance(60_000)
  const { health } = target('mq', 'mq:61616')
  assert.equal(effectiveStatus(health, service('mq').service.policy, clock.now()).status, 'unknown')
  void monitor.refresh([service('mq')], 3_600_000, 60_000)
  assert.equal(prober.begun.length, 2)
  await prober.pending('mq:61616').answer('connected')
})

test('without an age from the caller, a scheduled service is not checked on request', async () => {
  const { prober, monitor, service, clock } = watch([pg()])
  assert.equal(monitor.refresh([service('pg')], null, 60_000), null)
  clock.advance(3_600_000)
  assert.equal(monitor.refresh([service('pg')], null, 60_000), null)
  assert.equal(prober.begun.length, 0)
})

test('a caller without a limit waits for the outcome for any time', async (t) => {
  holdTimers(t)
  const { prober, monitor, service } = watch([pg()])
  const asked = monitor.refresh([service('pg')], 0)
  t.mock.timers.tick(3_600_000)
  assert.equal(await isSettled(asked), false)
  await prober.pending('db-1:5432').answer('connected')
  assert.equal(await isSettled(asked), true)
})

test('a request leaves no timer behind once all checks have ended', async (t) => {
  holdTimers(t)
  const cleared = t.mock.method(globalThis, 'clearTimeout')
  const { prober, monitor, service } = watch([pg()])
  const asked = monitor.refresh([service('pg')], 0, 60_000)
  await prober.pending('db-1:5432').answer('connected')
  await asked
  assert.equal(cleared.mock.callCount(), 1)
})

test('maxInFlight bounds the checks under way, and checks for callers go before scheduled ones', async () => {
  const names = ['a:1', 'b:1', 'c:1', 'd:1', 'asked:1']
  const { prober, monitor, target, clock } = watch([sampleService('pg', names)], 2)
  for (const name of names.slice(0, 4)) monitor.checkOnSchedule(target('pg', name), clock.now())
  void monitor.check(target('pg', 'asked:1'))
  assert.deepEqual(monitor.stats(), { inFlight: 2, waiting: 3, skippedChecks: 0, proberRestarts: 0 })
  for (const name of ['a:1', 'b:1', 'asked:1', 'c:1', 'd:1']) {
    assert.ok(monitor.stats().inFlight <= 2)
    await prober.pending(name).answer('connected')
  }
  assert.deepEqual(
    prober.begun.map(({ request }) => request.target.name),
    ['a:1', 'b:1', 'asked:1', 'c:1', 'd:1'],
  )
  assert.deepEqual(monitor.stats(), { inFlight: 0, waiting: 0, skippedChecks: 0, proberRestarts: 0 })
})

test('a waiting check moves to the front when a caller requests it, and is still made once', async () => {
  const names = ['a:1', 'b:1', 'c:1', 'd:1']
  const { prober, monitor, service, target, clock } = watch([sampleService('pg', names)], 1)
  for (const name of names) monitor.checkOnSchedule(target('pg', name), clock.now())
  const one = { ...service('pg'), targets: [target('pg', 'd:1')] }
  const asked = [monitor.refresh([one], 0, 60_000), monitor.refresh([one], 0, 60_000)]
  assert.equal(monitor.stats().waiting, 3)
  await prober.pending('a:1').answer('connected')
  await prober.pending('d:1').answer('connected')
  await Promise.all(asked)
  assert.equal(target('pg', 'd:1').check, null)
  assert.equal(monitor.stats().waiting, 1)
  await prober.pending('b:1').answer('connected')
  await prober.pending('c:1').answer('connected')
  assert.deepEqual(
    prober.begun.map(({ request }) => request.target.name),
    ['a:1', 'd:1', 'b:1', 'c:1'],
  )
  assert.deepEqual(monitor.stats(), { inFlight: 0, waiting: 0, skippedChecks: 0, proberRestarts: 0 })
})

test('a check that ends because the prober is closed has no verdict', async () => {
  const { prober, monitor, target, checked, transitions } = watch([pg()])
  const state = target('pg', 'db-1:5432')
  const check = monitor.check(state)
  await prober.pending('db-1:5432').abandon()
  await check
  assert.equal(state.health.lastOutcome, null)
  assert.equal(state.checks, 0)
  assert.equal(state.check, null)
  assert.deepEqual([checked, transitions], [[], []])
})

test('a late outcome of a removed service is dropped', async () => {
  const { prober, registry, monitor, target, checked, transitions } = watch([pg()])
  const state = target('pg', 'db-1:5432')
  const check = monitor.check(state)
  registry.replaceAll([], [])
  transitions.length = 0
  assert.equal(state.retired, true)
  assert.equal(monitor.services.size, 0)
  await prober.pending('db-1:5432').answer('refused')
  await check
  assert.deepEqual([checked, transitions], [[], []])
  assert.equal(state.checks, 0)
})

test('a removed service that returns starts without state, and does not get the late outcome of its predecessor', async () => {
  const { prober, registry, monitor, target } = watch([pg()])
  const old = monitor.check(target('pg', 'db-1:5432'))
  registry.replaceAll([], [])
  registry.replaceAll([pg()], [])
  await prober.pending('db-1:5432').answer('refused')
  await old
  assert.equal(target('pg', 'db-1:5432').health.lastOutcome, null)
})

test('the last transition of a removed service says why it is gone', async () => {
  const { registry, target, transitions, clock, checkOnce } = watch([pg()])
  registry.register([registeredService('mq', ['mq:1'])])
  await checkOnce(target('pg', 'db-1:5432'), 'connected')
  transitions.length = 0
  clock.advance(1000)
  registry.replaceAll([], [])
  registry.deregister('mq', 'deregistered: not registered again within its ttl of 30s')
  const gone = { target: null, to: 'unknown', at: clock.now(), reason: null }
  assert.deepEqual(transitions, [
    { ...gone, service: 'pg', from: 'up', message: 'deregistered: no longer in the configuration' },
    { ...gone, service: 'mq', from: 'unknown', message: 'deregistered: not registered again within its ttl of 30s' },
  ])
})

test('a service of the file that a registered one of the same name replaces is not gone', async () => {
  const { registry, monitor, service, target, transitions, checkOnce } = watch([pg()])
  const before = service('pg')
  await checkOnce(target('pg', 'db-1:5432'), 'connected')
  transitions.length = 0
  registry.register([registeredService('pg', ['db-1:5432', 'db-2:5432'], { quorum: 'any' })])
  assert.equal(service('pg').targets.length, 1)
  registry.replaceAll([], [])
  assert.equal(monitor.services.get('pg'), before)
  assert.equal(target('pg', 'db-1:5432').health.status, 'up')
  await checkOnce(target('pg', 'db-2:5432'), 'refused')
  assert.deepEqual(
    transitions.filter((transition) => transition.target === null).map(({ from, to }) => [from, to]),
    [['up', 'degraded']],
  )
})

test('a drained service keeps its health and its checks, and may be drained before it is registered', async () => {
  const { registry, service, target, transitions, checkOnce } = watch([pg()])
  await checkOnce(target('pg', 'db-1:5432'), 'connected')
  const { revision } = service('pg')
  transitions.length = 0
  registry.setDrained(['pg', 'later'], true)
  assert.equal(service('pg').drained, true)
  assert.ok(service('pg').revision > revision)
  assert.equal(target('pg', 'db-1:5432').health.status, 'up')
  registry.register([registeredService('later', ['b:1'])])
  assert.equal(service('later').drained, true)
  registry.setDrained(['pg'], false)
  assert.equal(service('pg').drained, false)
  assert.deepEqual(transitions, [])
})

test('services registered over HTTP are dialled under the current dial rules, and services of the file under none', () => {
  const [one, other] = [createDialRules({}), createDialRules({})]
  let rules = one
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 3, dialRules: () => rules })
  registry.replaceAll([sampleService('mq', ['a:1'])], [])
  registry.register([buildService('pg', { targets: [sampleTarget('b:1'), sampleTarget('c:1')] }, {}, 'http')])
  const [a, b, c] = [...monitor.services.values()].flatMap(({ targets }) => targets)
  assert.ok(a && b && c)
  for (const state of [a, b]) void monitor.check(state)
  rules = other
  void monitor.check(c)
  const given = prober.begun.map(({ request }) => request.rules)
  assert.ok(given[0] === null && given[1] === one && given[2] === other)
})

test('a waiting check is not made once its target is gone', async () => {
  const { prober, registry, monitor, target } = watch([sampleService('pg', ['a:1', 'b:1'])], 1)
  void monitor.check(target('pg', 'a:1'))
  const waiting = monitor.check(target('pg', 'b:1'))
  registry.replaceAll([sampleService('pg', ['a:1'])], [])
  await prober.pending('a:1').answer('connected')
  await waiting
  assert.equal(prober.begun.length, 1)
})

test('a changed definition keeps the health of the targets that stay', async () => {
  const { registry, monitor, target, service, checkOnce } = watch([
    sampleService('pg', ['a:1', 'b:1'], { quorum: 'any' }),
  ])
  await checkOnce(target('pg', 'a:1'), 'connected')
  const [a, b] = [target('pg', 'a:1'), target('pg', 'b:1')]
  const followed: string[] = []
  monitor.targetsChanged.subscribe((targets) => followed.push(...targets.map(({ target }) => target.name)))
  registry.replaceAll([sampleService('pg', ['c:1', 'a:1'], { quorum: 'any', timeout: 500 })], [])
  assert.equal(target('pg', 'a:1'), a)
  assert.equal(a.health.status, 'up')
  assert.equal(a.serviceState, service('pg'))
  assert.equal(service('pg').service.policy.timeoutMs, 500)
  assert.equal(target('pg', 'c:1').health.lastOutcome, null)
  assert.deepEqual([a.retired, b.retired], [false, true])
  assert.deepEqual(followed, ['b:1', 'c:1', 'a:1'])
})

test('services with an unchanged definition are not rescheduled', () => {
  const { registry, monitor } = watch([pg(), onDemand()])
  const followed: string[] = []
  monitor.targetsChanged.subscribe((targets) => followed.push(...targets.map(({ target }) => target.name)))
  registry.replaceAll([pg(), onDemand(), sampleService('new', ['new:1'])], [])
  assert.deepEqual(followed, ['new:1'])
})

test('a change of quorum that changes the status emits a transition', async () => {
  const { registry, target, transitions, checkOnce } = watch([sampleService('pg', ['a:1', 'b:1'], { quorum: 'all' })])
  await checkOnce(target('pg', 'a:1'), 'connected')
  await checkOnce(target('pg', 'b:1'), 'refused')
  transitions.length = 0
  registry.replaceAll([sampleService('pg', ['a:1', 'b:1'], { quorum: 'any' })], [])
  assert.deepEqual(
    transitions.map(({ service, target, from, to }) => ({ service, target, from, to })),
    [{ service: 'pg', target: null, from: 'down', to: 'degraded' }],
  )
})

test('events come in this order: transition of the target, transition of the service, end of the check', async () => {
  const { monitor, prober, target, clock } = watch([pg()])
  const told: string[] = []
  monitor.transitions.subscribe(({ target, to }) => told.push(`${target ?? 'the service'} is ${to}`))
  monitor.checked.subscribe(({ outcome }) => told.push(`checked: ${outcome.reason}`))
  monitor.checkOnSchedule(target('pg', 'db-1:5432'), clock.now())
  await prober.pending('db-1:5432').answer('refused')
  assert.deepEqual(told, ['db-1:5432 is down', 'the service is down', 'checked: refused'])
})

test('a transition has the reason and the sentence of the outcome that caused it', async () => {
  const { target, transitions, clock, checkOnce } = watch([sampleService('pg', ['a:1'], { fall: 1 })])
  await checkOnce(target('pg', 'a:1'), 'connected')
  clock.advance(10_000)
  await checkOnce(target('pg', 'a:1'), 'timeout', { synRetransmits: 2 })
  const [ofTarget, ofService] = transitions.slice(-2)
  const sentence = diagnose(
    target('pg', 'a:1').health.lastOutcome ?? sampleOutcome('local', 0),
    target('pg', 'a:1').target,
  )
  assert.deepEqual(ofTarget, {
    service: 'pg',
    target: 'a:1',
    from: 'up',
    to: 'down',
    at: clock.now(),
    reason: 'timeout',
    message: sentence,
  })
  assert.equal(ofService?.reason, 'timeout')
  assert.ok(ofService?.message.includes(sentence))
})

test('lateness is the time from the scheduled time to the start of the check, and is never negative', async () => {
  const { monitor, prober, target, checked, clock } = watch([sampleService('pg', ['a:1'])])
  for (const [due, startedAt] of [
    [1000, 1030],
    [2000, 1999],
  ] as const) {
    clock.advance(1000)
    monitor.checkOnSchedule(target('pg', 'a:1'), due)
    await prober.pending('a:1').answer('connected', { startedAt })
  }
  assert.deepEqual(
    checked.map(({ lateMs }) => lateMs),
    [30, 0],
  )
})

test('a skipped check is counted, and detects that a target has gone stale', async () => {
  const { monitor, target, transitions, clock, checkOnce } = watch([pg()])
  await checkOnce(target('pg', 'db-1:5432'), 'connected')
  transitions.length = 0
  monitor.checkOnSchedule(target('pg', 'db-1:5432'), clock.now())
  clock.advance(31_999)
  monitor.checkOnSchedule(target('pg', 'db-1:5432'), clock.now())
  assert.deepEqual(transitions, [])
  clock.advance(1)
  monitor.checkOnSchedule(target('pg', 'db-1:5432'), clock.now())
  assert.equal(monitor.stats().skippedChecks, 2)
  assert.deepEqual(
    transitions.map(({ target, to, reason }) => [target, to, reason]),
    [
      ['db-1:5432', 'unknown', null],
      [null, 'unknown', null],
    ],
  )
})

test('a service whose targets go stale one after another emits transitions, although no check ends', async () => {
  const targets = ['a:1', 'b:1', 'c:1', 'd:1']
  const { monitor, service, transitions, clock, checkOnce, target } = watch([
    sampleService('pg', targets, { interval: 1000, timeout: 500, quorum: 'any' }),
  ])
  for (const name of targets) {
    await checkOnce(target('pg', name), 'connected')
    clock.advance(100)
  }
  // From now on no check ends, so scheduled checks are skipped.
  for (const state of service('pg').targets) monitor.checkOnSchedule(state, clock.now())
  for (let checkOnSchedule = 0; checkOnSchedule < 60; checkOnSchedule++) {
    clock.advance(100)
    const state = service('pg').targets[checkOnSchedule % 10]
    if (state !== undefined) monitor.checkOnSchedule(state, clock.now())
  }
  assert.deepEqual(
    transitions.filter(({ target }) => target === null).map(({ to }) => to),
    ['degraded', 'up', 'degraded', 'unknown'],
  )
})

test('faults of Porthole change no status, but a target with no other outcome is unknown once stale', async () => {
  const { target, transitions, service, clock, checkOnce } = watch([sampleService('pg', ['a:1'], { fall: 1 })])
  const state = target('pg', 'a:1')
  const read = () => effectiveStatus(state.health, service('pg').service.policy, clock.now()).status
  await checkOnce(state, 'connected')
  transitions.length = 0
  for (let n = 1; n <= 3; n++) {
    clock.advance(10_000)
    await checkOnce(state, 'local', { code: 'EMFILE' })
    assert.equal(read(), 'up')
  }
  assert.deepEqual(transitions, [])
  clock.advance(10_000)
  await checkOnce(state, 'local', { code: 'EMFILE' })
  assert.equal(read(), 'unknown')
  assert.deepEqual(
    transitions.map(({ target, to, reason }) => [target, to, reason]),
    [
      ['a:1', 'unknown', 'local'],
      [null, 'unknown', 'local'],
    ],
  )
  assert.equal(state.failures, 0)
  await checkOnce(state, 'refused')
  assert.equal(read(), 'down')
})

test('the first sweep is complete once every scheduled target has ended a check, with any outcome', async () => {
  const { monitor, prober, target, registry, checkOnce } = watch([sampleService('pg', ['a:1', 'b:1']), onDemand()])
  assert.equal(monitor.sweptOnce(), false)
  await checkOnce(target('pg', 'a:1'), 'connected')
  const abandoned = monitor.check(target('pg', 'b:1'))
  await prober.pending('b:1').abandon()
  await abandoned
  assert.equal(monitor.sweptOnce(), false)
  await checkOnce(target('pg', 'b:1'), 'local')
  assert.equal(monitor.sweptOnce(), true)
  registry.replaceAll([onDemand()], [])
  assert.equal(monitor.sweptOnce(), true)
})

test('all of 20,000 waiting checks end when their targets are removed', async () => {
  const names = Array.from({ length: 20_000 }, (_, n) => `db-${n}:1`)
  const { prober, registry, monitor, service } = watch([sampleService('pg', names)], 1)
  const ended = Promise.all(service('pg').targets.map(monitor.check))
  registry.replaceAll([], [])
  await prober.answerAll('connected')
  await ended
  assert.equal(prober.begun.length, 1)
  assert.deepEqual(monitor.stats(), { inFlight: 0, waiting: 0, skippedChecks: 0, proberRestarts: 0 })
})
