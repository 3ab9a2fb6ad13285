/** Checks the monitor and the scheduler with services that another replica owns. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverChecked } from '../../src/domain/health/health.ts'
import { createAddressTracking } from '../../src/monitor/discovery/address-tracking.ts'
import { createEmitter } from '../../src/monitor/emitter.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import type { Ownership } from '../../src/monitor/ownership.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { createScheduler } from '../../src/monitor/scheduling/scheduler.ts'
import type { TargetSnapshot } from '../../src/monitor/state/state.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'
import { fakeClock, fakeProber, fakeResolver, isSettled } from './fakes.ts'

const second = { interval: 1000, timeout: 500 }

/** Creates a monitor of these services. The test sets which of them it owns. */
function watchSome(
  covered: string[],
  names = ['pg', 'mq'],
  policy: { interval: number; timeout?: number } = second,
  maxInFlight = 100,
) {
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll(
    names.map((name) => sampleService(name, [`${name}:1`], policy)),
    [],
  )
  const owns = new Set(covered)
  const ownership: Ownership = { owns: (name) => owns.has(name), gained: createEmitter() }
  const monitor = createMonitor({ registry, prober, clock, maxInFlight, ownership })
  const told: string[] = []
  monitor.transitions.subscribe(({ service, target, to }) => told.push(`${target ?? service} ${to}`))
  const scheduler = createScheduler({ monitor, clock, ownership })
  return {
    clock,
    prober,
    registry,
    monitor,
    scheduler,
    owns,
    ownership,
    told,
    gain(name: string) {
      owns.add(name)
      ownership.gained.emit([name])
    },
    target(name: string) {
      const state = monitor.services.get(name)?.targets[0]
      assert(state !== undefined)
      return state
    },
    service(name: string) {
      const state = monitor.services.get(name)
      assert(state !== undefined)
      return state
    },
    /** Advances the time, and starts the checks that are due. */
    pass(ms: number) {
      for (let left = ms; left > 0; left -= 50) {
        clock.advance(Math.min(50, left))
        scheduler.runDue()
      }
    },
  }
}

const begun = ({ begun }: ReturnType<typeof fakeProber>) => begun.map(({ request }) => request.target.name)

/** Returns the state of a target after `count` equal verdicts in a row. */
function memory(verdict: 'up' | 'down', count: number, endedAt: number): TargetSnapshot {
  const lastOutcome = sampleOutcome(verdict === 'up' ? 'connected' : 'refused', endedAt)
  const streak = { verdict, count }
  const downReason = verdict === 'down' ? ('refused' as const) : null
  const health = {
    ...neverChecked,
    status: verdict,
    since: endedAt,
    streak,
    confirmedAt: endedAt,
    lastOutcome,
    downReason,
  }
  return {
    health,
    emittedStatus: verdict,
    checks: count,
    failures: 0,
    connectMs: 0,
    synRetransmits: 0,
    lossAt: null,
    lookupTotalMs: 0,
    slowLookupAt: null,
  }
}

test('only owned services have scheduled checks', () => {
  const { prober, pass } = watchSome(['pg'])
  pass(2000)
  assert.deepEqual(new Set(begun(prober)), new Set(['pg:1']))
})

test('a lost service is not checked again, and a gained one is checked at its phase, which is equal on all replicas', async () => {
  const { prober, owns, gain, pass } = watchSome(['pg'])
  pass(1000)
  await prober.answerAll('connected')
  owns.delete('pg')
  gain('mq')
  pass(2000)
  assert.deepEqual(begun(prober), ['pg:1', 'mq:1'])
})

test('checks that were left out during a takeover are made within 0.4 seconds', async () => {
  const { clock, prober, monitor, service, gain, pass } = watchSome([])
  monitor.adopt(service('pg'), null, new Map([['pg:1', memory('up', 9, clock.now())]]))
  pass(7000)
  assert.deepEqual(begun(prober), [])
  gain('pg')
  pass(450)
  assert.deepEqual(begun(prober), ['pg:1'])
})

test('checks of 30,000 targets that were left out start at no more than 25 a millisecond', () => {
  const names = Array.from({ length: 30_000 }, (_, n) => `pg-${n}`)
  const { clock, prober, monitor, scheduler, owns, ownership } = watchSome([], names, { interval: 60_000 }, 60_000)
  for (const service of monitor.services.values()) {
    const [target] = service.targets
    monitor.adopt(service, null, new Map([[target?.target.name ?? '', memory('up', 9, clock.now())]]))
  }
  clock.advance(120_000)
  for (const name of names) owns.add(name)
  ownership.gained.emit(names)
  for (const expected of [10_000, 20_000]) {
    clock.advance(400)
    // The scheduler yields while many checks are due, so call it until it is done.
    while ((scheduler.runDue() ?? Number.POSITIVE_INFINITY) <= clock.now());
    // The bounds are six standard deviations of 82 away.
    assert.ok(Math.abs(prober.begun.length - expected) < 490, `${prober.begun.length} begun, not some ${expected}`)
  }
})

test('a scheduled check that was left out during a takeover is made later, and no other check is', async () => {
  const { clock, prober, owns, gain, pass } = watchSome(['pg'])
  pass(1000)
  await prober.answerAll('connected')
  pass(1000)
  await prober.answerAll('connected')
  const last = prober.begun.at(-1)?.startedAt ?? 0
  const seen = prober.begun.length
  // The replica loses the service before a scheduled check and gains it after that time, a little over an interval after the last check.
  pass(last + 900 - clock.now())
  owns.delete('pg')
  pass(last + 1040 - clock.now())
  gain('pg')
  pass(400)
  assert.equal(prober.begun.length, seen + 1)
  await prober.answerAll('connected')

  // The replica loses and gains the service between two scheduled checks.
  owns.delete('pg')
  pass(100)
  gain('pg')
  pass(last + 1950 - clock.now())
  assert.equal(prober.begun.length, seen + 1)
  pass(100)
  assert.equal(prober.begun.length, seen + 2)
})

test('the outcome of a scheduled check does not count once the service is lost', async () => {
  const { prober, owns, target, pass, told } = watchSome(['pg'])
  pass(1000)
  owns.delete('pg')
  await prober.answerAll('refused')
  assert.equal(target('pg').health.lastOutcome, null)
  assert.equal(target('pg').check, null)
  assert.deepEqual(told, [])
})

test('a check for a caller counts on every replica, and only the owner emits the transition', async () => {
  const { prober, monitor, target, told } = watchSome([])
  const asked = monitor.check(target('pg'))
  await prober.answerAll('refused')
  await asked
  assert.equal(target('pg').health.status, 'down')
  assert.deepEqual(told, [])
})

test('one of two parallel checks on two replicas counts, and both of two consecutive checks', async () => {
  const { clock, prober, monitor, service, target, pass } = watchSome([])
  const taken: string[] = []
  monitor.adopted.subscribe(({ state, outcome }) => taken.push(`${state.target.name} ${outcome.reason}`))
  const asked = monitor.check(target('pg'))
  pass(100)
  monitor.adopt(service('pg'), null, new Map([['pg:1', memory('down', 1, clock.now())]]))
  pass(100)
  await prober.answerAll('refused')
  await asked
  assert.equal(target('pg').health.streak?.count, 1)
  const again = monitor.check(target('pg'))
  await prober.answerAll('refused')
  await again
  assert.equal(target('pg').health.streak?.count, 2)
  assert.deepEqual(taken, ['pg:1 refused'])
})

test('the state of another replica is applied, and its streak continues here', async () => {
  const { clock, prober, monitor, service, target, told, gain, pass } = watchSome([])
  monitor.adopt(service('pg'), null, new Map([['pg:1', { ...memory('up', 5, clock.now()), checks: 41 }]]))
  assert.equal(target('pg').health.status, 'up')
  gain('pg')
  for (let failures = 1; failures <= 3; failures++) {
    pass(1000)
    await prober.answerAll('refused')
    assert.equal(target('pg').health.streak?.count, failures)
  }
  assert.equal(target('pg').checks, 44)
  // The other replica emitted the transition of the target to up, and no replica that of the service.
  assert.deepEqual(told, ['pg up', 'pg:1 down', 'pg down'])
})

test('the owner emits a transition once for a status that differs from the last emitted one', () => {
  const { clock, monitor, service, told, owns } = watchSome([])
  monitor.adopt(service('pg'), null, new Map([['pg:1', { ...memory('down', 3, clock.now()), emittedStatus: 'up' }]]))
  assert.deepEqual(told, [])
  owns.add('pg')
  monitor.detectTransitions(service('pg'))
  monitor.detectTransitions(service('pg'))
  assert.deepEqual(told, ['pg:1 down', 'pg down'])
})

test('the replica that checks a service is recorded, and a change of it changes the report', () => {
  const { monitor, registry, service } = watchSome([])
  const before = service('pg').revision
  monitor.attribute((name) => (name === 'pg' ? { replica: 'one', solo: false } : null))
  assert.deepEqual([service('pg').checkedBy, service('mq').checkedBy], [{ replica: 'one', solo: false }, null])
  assert.ok(service('pg').revision > before)
  const same = service('pg').revision
  monitor.attribute(() => ({ replica: 'one', solo: false }))
  assert.equal(service('pg').revision, same)
  registry.replaceAll([sampleService('new', ['new:1'])], [])
  assert.deepEqual(service('new').checkedBy, { replica: 'one', solo: false })
})

test('only the owner looks up the names of a service, and other replicas apply its addresses', async () => {
  const { clock, prober, monitor, registry, ownership, gain, service } = watchSome([])
  registry.replaceAll([sampleService('web', ['web:80'], { ...second, resolve: 'all' })], [])
  const resolver = fakeResolver()
  resolver.say('web', ['10.0.0.2'])
  const members = createAddressTracking({ monitor, registry, resolver, clock, ownership })
  const lookUp = async () => {
    clock.advance(11_000)
    members.lookUpDue()
    await isSettled(Promise.resolve())
    await prober.answerAll('connected')
  }
  await lookUp()
  assert.deepEqual(resolver.asked, [])

  const addresses = new Map([['web:80', ['10.0.0.1']]])
  const found = new Map([['10.0.0.1:80', memory('up', 2, clock.now())]])
  monitor.adopt(service('web'), { emittedStatus: 'up', emittedAt: clock.now(), addresses }, found)
  const namesOf = () => service('web').targets.map(({ target }) => target.name)
  assert.deepEqual(namesOf(), ['10.0.0.1:80'])
  assert.equal(service('web').targets[0]?.health.status, 'up')

  // With a failing resolver, the replica keeps the addresses that the other one found.
  resolver.say('web', 'EAI_AGAIN')
  gain('web')
  await lookUp()
  assert.equal(resolver.asked.length, 1)
  assert.deepEqual(namesOf(), ['10.0.0.1:80'])
  resolver.say('web', ['10.0.0.1', '10.0.0.2'])
  await lookUp()
  assert.deepEqual(namesOf(), ['10.0.0.1:80', '10.0.0.2:80'])
})

test('the monitor reports for how long a check is overdue, and the scheduler for how long it did not start checks', async () => {
  const { clock, prober, registry, monitor, scheduler, pass } = watchSome(['pg'])
  assert.equal(monitor.overdueMs(), 0)
  pass(1000)
  assert.equal(monitor.overdueMs(), 0)
  clock.advance(3000)
  assert.equal(monitor.overdueMs(), 2500)
  await prober.answerAll('connected')
  assert.equal(monitor.overdueMs(), 0)
  pass(1000)
  assert.equal(monitor.overdueMs(), 0)
  registry.replaceAll([sampleService('pg', ['pg:1'], { timeout: 1 })], [])
  clock.advance(100)
  assert.equal(monitor.overdueMs(), 0, 'the check began with another timeout')
  await prober.answerAll('connected')
  // A scheduler that was not started starts no checks.
  assert.equal(scheduler.overdueMs(), 0)
  scheduler.start()
  scheduler.stop()
  assert.equal(scheduler.overdueMs(), 0)
})

test('the time since when look-ups fail continues when another replica takes the service over', async () => {
  const { clock, prober, monitor, registry, ownership, gain, service } = watchSome([])
  registry.replaceAll([sampleService('web', ['web:80'], { ...second, resolve: 'all', lookupHold: 60_000 })], [])
  const resolver = fakeResolver()
  resolver.say('web', 'EAI_AGAIN')
  const members = createAddressTracking({ monitor, registry, resolver, clock, ownership })
  const found = memory('up', 2, clock.now())
  const since = clock.now() - 45_000
  const { lastOutcome } = found.health
  assert.ok(lastOutcome !== null)
  const health = { ...found.health, lastOutcome: { ...lastOutcome, lookupFailedSince: since } }
  const addresses = new Map([['web:80', ['10.0.0.1']]])
  monitor.adopt(
    service('web'),
    { emittedStatus: 'up', emittedAt: clock.now(), addresses },
    new Map([['10.0.0.1:80', { ...found, health }]]),
  )

  // If a caller requests a check before the takeover, the replica repeats the instant of the last check.
  const [state] = service('web').targets
  assert.ok(state)
  const check = monitor.check(state)
  await prober.answerAll('connected')
  await check
  assert.equal(state.health.lastOutcome?.lookupFailedSince, since)

  gain('web')
  // After the takeover, the replica may check the target before it looks the name up.
  const next = monitor.check(state)
  await prober.answerAll('connected')
  await next
  assert.equal(state.health.lastOutcome?.lookupFailedSince, since)
  const lookUp = async () => {
    clock.advance(11_000)
    members.lookUpDue()
    await isSettled(Promise.resolve())
    await prober.answerAll('local')
  }
  await lookUp()
  assert.equal(service('web').failingLookUps?.get('web:80'), since)
  assert.equal(service('web').targets[0]?.target.name, '10.0.0.1:80')
  await lookUp()
  assert.equal(service('web').targets[0]?.target.name, 'web:80')
})
