/** What a monitor and its loop do for services that another replica checks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unchecked } from '../../src/domain/health.ts'
import { createLoop } from '../../src/monitor/loop.ts'
import { createMembers } from '../../src/monitor/members.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry.ts'
import type { Responsibility } from '../../src/monitor/responsibility.ts'
import { createSignal } from '../../src/monitor/signal.ts'
import type { TargetMemory } from '../../src/monitor/watch.ts'
import { sampleOutcome, sampleService } from '../samples.ts'
import { fakeClock, fakeProber, fakeResolver, isSettled } from './fakes.ts'

const second = { interval: 1000, timeout: 500 }

/** A monitor of these services that covers what the test says. */
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
  const covers = new Set(covered)
  const responsibility: Responsibility = { covers: (name) => covers.has(name), gained: createSignal() }
  const monitor = createMonitor({ registry, prober, clock, maxInFlight, responsibility })
  const told: string[] = []
  monitor.transitions.subscribe(({ service, target, to }) => told.push(`${target ?? service} ${to}`))
  const loop = createLoop({ monitor, clock, responsibility })
  return {
    clock,
    prober,
    registry,
    monitor,
    loop,
    covers,
    responsibility,
    told,
    gain(name: string) {
      covers.add(name)
      responsibility.gained.emit([name])
    },
    target(name: string) {
      const watched = monitor.services.get(name)?.targets[0]
      assert(watched !== undefined)
      return watched
    },
    service(name: string) {
      const watched = monitor.services.get(name)
      assert(watched !== undefined)
      return watched
    },
    /** Lets time pass, and starts what is due. */
    pass(ms: number) {
      for (let left = ms; left > 0; left -= 50) {
        clock.advance(Math.min(50, left))
        loop.runDue()
      }
    },
  }
}

const begun = ({ begun }: ReturnType<typeof fakeProber>) => begun.map(({ request }) => request.target.name)

/** What is remembered of a target that was found up, or down, so often in a row. */
function memory(verdict: 'up' | 'down', count: number, endedAt: number): TargetMemory {
  const lastOutcome = sampleOutcome(verdict === 'up' ? 'connected' : 'refused', endedAt)
  const streak = { verdict, count }
  const downReason = verdict === 'down' ? ('refused' as const) : null
  const health = {
    ...unchecked,
    status: verdict,
    since: endedAt,
    streak,
    confirmedAt: endedAt,
    lastOutcome,
    downReason,
  }
  return {
    health,
    announced: verdict,
    checks: count,
    failures: 0,
    connectMs: 0,
    synRetransmits: 0,
    lossAt: null,
    lookupTotalMs: 0,
    slowLookupAt: null,
  }
}

test('only what is covered is checked when its beat comes', () => {
  const { prober, pass } = watchSome(['pg'])
  pass(2000)
  assert.deepEqual(new Set(begun(prober)), new Set(['pg:1']))
})

test('what is covered no longer is not checked again, and what is gained is, by the phase it has everywhere', async () => {
  const { prober, covers, gain, pass } = watchSome(['pg'])
  pass(1000)
  await prober.answerAll('connected')
  covers.delete('pg')
  gain('mq')
  pass(2000)
  assert.deepEqual(begun(prober), ['pg:1', 'mq:1'])
})

test('what went unchecked while one replica took over from another is checked soon', async () => {
  const { clock, prober, monitor, service, gain, pass } = watchSome([])
  monitor.adopt(service('pg'), null, new Map([['pg:1', memory('up', 9, clock.now())]]))
  pass(7000)
  assert.deepEqual(begun(prober), [])
  gain('pg')
  pass(450)
  assert.deepEqual(begun(prober), ['pg:1'])
})

test('what went unchecked of very many targets is checked no faster than can be done', () => {
  const names = Array.from({ length: 30_000 }, (_, n) => `pg-${n}`)
  const { clock, prober, monitor, loop, covers, responsibility } = watchSome([], names, { interval: 60_000 }, 60_000)
  for (const service of monitor.services.values()) {
    const [target] = service.targets
    monitor.adopt(service, null, new Map([[target?.target.name ?? '', memory('up', 9, clock.now())]]))
  }
  clock.advance(120_000)
  for (const name of names) covers.add(name)
  responsibility.gained.emit(names)
  for (const expected of [10_000, 20_000]) {
    clock.advance(400)
    // It stops for others where there is much, and is asked to go on at once.
    while ((loop.runDue() ?? Number.POSITIVE_INFINITY) <= clock.now());
    // With a standard deviation of 82: six of them either way.
    assert.ok(Math.abs(prober.begun.length - expected) < 490, `${prober.begun.length} begun, not some ${expected}`)
  }
})

test('a beat that was left out while one replica took over from another is made up for, one that was not is not', async () => {
  const { clock, prober, covers, gain, pass } = watchSome(['pg'])
  pass(1000)
  await prober.answerAll('connected')
  pass(1000)
  await prober.answerAll('connected')
  const last = prober.begun.at(-1)?.startedAt ?? 0
  const seen = prober.begun.length
  // Given up before its beat and gained after it, a little over an interval after it was checked.
  pass(last + 900 - clock.now())
  covers.delete('pg')
  pass(last + 1040 - clock.now())
  gain('pg')
  pass(400)
  assert.equal(prober.begun.length, seen + 1)
  await prober.answerAll('connected')

  // Given up and gained again between two beats.
  covers.delete('pg')
  pass(100)
  gain('pg')
  pass(last + 1950 - clock.now())
  assert.equal(prober.begun.length, seen + 1)
  pass(100)
  assert.equal(prober.begun.length, seen + 2)
})

test('the outcome of a beat does not count once the service is covered no longer', async () => {
  const { prober, covers, target, pass, told } = watchSome(['pg'])
  pass(1000)
  covers.delete('pg')
  await prober.answerAll('refused')
  assert.equal(target('pg').health.lastOutcome, null)
  assert.equal(target('pg').check, null)
  assert.deepEqual(told, [])
})

test('what somebody asked for counts, and whoever covers the service announces what came of it', async () => {
  const { prober, monitor, target, told } = watchSome([])
  const asked = monitor.check(target('pg'))
  await prober.answerAll('refused')
  await asked
  assert.equal(target('pg').health.status, 'down')
  assert.deepEqual(told, [])
})

test('of two checks that ran side by side on two replicas one counts, of two one after the other both', async () => {
  const { clock, prober, monitor, service, target, pass } = watchSome([])
  const taken: string[] = []
  monitor.adopted.subscribe(({ watched, outcome }) => taken.push(`${watched.target.name} ${outcome.reason}`))
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

test('what another replica remembers is taken in, and its streak goes on here', async () => {
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
  // Both were announced as they were found: the target by the other replica, the service by nobody yet.
  assert.deepEqual(told, ['pg up', 'pg:1 down', 'pg down'])
})

test('what reads otherwise than it was announced is announced by who covers it, once', () => {
  const { clock, monitor, service, told, covers } = watchSome([])
  monitor.adopt(service('pg'), null, new Map([['pg:1', { ...memory('down', 3, clock.now()), announced: 'up' }]]))
  assert.deepEqual(told, [])
  covers.add('pg')
  monitor.review(service('pg'))
  monitor.review(service('pg'))
  assert.deepEqual(told, ['pg:1 down', 'pg down'])
})

test('who checks a service is noted, and changes what is told of it', () => {
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

test('names are looked up by who covers the service, and addresses that others found are taken in', async () => {
  const { clock, prober, monitor, registry, responsibility, gain, service } = watchSome([])
  registry.replaceAll([sampleService('web', ['web:80'], { ...second, resolve: 'all' })], [])
  const resolver = fakeResolver()
  resolver.say('web', ['10.0.0.2'])
  const members = createMembers({ monitor, registry, resolver, clock, responsibility })
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
  monitor.adopt(service('web'), { announced: 'up', announcedAt: clock.now(), addresses }, found)
  const namesOf = () => service('web').targets.map(({ target }) => target.name)
  assert.deepEqual(namesOf(), ['10.0.0.1:80'])
  assert.equal(service('web').targets[0]?.health.status, 'up')

  // A resolver that fails loses nothing of what the other replica found.
  resolver.say('web', 'EAI_AGAIN')
  gain('web')
  await lookUp()
  assert.equal(resolver.asked.length, 1)
  assert.deepEqual(namesOf(), ['10.0.0.1:80'])
  resolver.say('web', ['10.0.0.1', '10.0.0.2'])
  await lookUp()
  assert.deepEqual(namesOf(), ['10.0.0.1:80', '10.0.0.2:80'])
})

test('a check that does not end, and beats that do not start, tell for how long', async () => {
  const { clock, prober, registry, monitor, loop, pass } = watchSome(['pg'])
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
  assert.equal(monitor.overdueMs(), 0, 'it began with another timeout')
  await prober.answerAll('connected')
  // Nothing is started before the loop is.
  assert.equal(loop.overdueMs(), 0)
  loop.start()
  loop.stop()
  assert.equal(loop.overdueMs(), 0)
})

test('the time since when look-ups fail goes on where another replica takes the service over', async () => {
  const { clock, prober, monitor, registry, responsibility, gain, service } = watchSome([])
  registry.replaceAll([sampleService('web', ['web:80'], { ...second, resolve: 'all', lookupHold: 60_000 })], [])
  const resolver = fakeResolver()
  resolver.say('web', 'EAI_AGAIN')
  const members = createMembers({ monitor, registry, resolver, clock, responsibility })
  const found = memory('up', 2, clock.now())
  const since = clock.now() - 45_000
  const { lastOutcome } = found.health
  assert.ok(lastOutcome !== null)
  const health = { ...found.health, lastOutcome: { ...lastOutcome, lookupFailedSince: since } }
  const addresses = new Map([['web:80', ['10.0.0.1']]])
  monitor.adopt(
    service('web'),
    { announced: 'up', announcedAt: clock.now(), addresses },
    new Map([['10.0.0.1:80', { ...found, health }]]),
  )

  // Asked for a check before it takes over, the replica says what the last check told.
  const [watched] = service('web').targets
  assert.ok(watched)
  const check = monitor.check(watched)
  await prober.answerAll('connected')
  await check
  assert.equal(watched.health.lastOutcome?.lookupFailedSince, since)

  gain('web')
  // It may check the target before it looks the name up.
  const next = monitor.check(watched)
  await prober.answerAll('connected')
  await next
  assert.equal(watched.health.lastOutcome?.lookupFailedSince, since)
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
