import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDialRules } from '../../src/domain/dial-rules.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry.ts'
import type { WatchedTarget } from '../../src/monitor/watch.ts'
import { changedService, sampleService } from '../samples.ts'
import { fakeClock, fakeProber } from './fakes.ts'

const isUnderWay = ({ check }: WatchedTarget) => check !== null && check !== 'waiting' && check.hasBegun

/** Checks a service of this origin, and returns under which rules the prober was to do it; `rules` are asked for anew each time. */
function rulesGiven(origin: 'file' | 'http', ...rules: ReturnType<typeof createDialRules>[]) {
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll([changedService(sampleService('pg', ['a:1', 'b:1']), { origin })], [])
  const [first, ...later] = rules
  let inForce = first ?? createDialRules({})
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 10, dialRules: () => inForce })
  for (const target of monitor.services.get('pg')?.targets ?? []) {
    void monitor.check(target)
    inForce = later.shift() ?? inForce
  }
  return prober.begun.map(({ request }) => request.rules)
}

test('services of the file are checked whatever the rules are', () => {
  assert.deepEqual(rulesGiven('file', createDialRules({ allow: [] })), [null, null])
})

test('services registered over HTTP are checked under the rules in force when the check begins', () => {
  const [before, after] = [createDialRules({}), createDialRules({ allow: [] })]
  const given = rulesGiven('http', before, after)
  assert.equal(given.length, 2)
  assert.ok(given[0] === before && given[1] === after)
})

test('targets that let checks wait take half of the turns at most, and the others never wait behind them', async () => {
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  const silent = Array.from({ length: 20 }, (_, i) => `dead-${i}:1`)
  registry.replaceAll([sampleService('silent', silent, { fall: 1 }), sampleService('web', ['a:1', 'b:1', 'c:1'])], [])
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 8 })
  const beatAll = (service: string) => {
    for (const target of monitor.services.get(service)?.targets ?? []) monitor.beat(target, clock.now())
  }
  const underWay = (service: string) => monitor.services.get(service)?.targets.filter(isUnderWay).length ?? 0
  // Until they are known to be silent they are like all others.
  beatAll('silent')
  assert.equal(underWay('silent'), 8)
  while (prober.begun.length > 0 && monitor.stats().inFlight > 0) await prober.answerAll('timeout')
  beatAll('silent')
  beatAll('web')
  assert.deepEqual([underWay('silent'), underWay('web')], [4, 3])
  assert.deepEqual(monitor.stats().waiting, 16)

  // Who asks for one does not wait behind the others.
  const last = monitor.services.get('silent')?.targets.at(-1)
  assert(last)
  const asked = monitor.check(last)
  assert.equal(isUnderWay(last), true)
  for (let round = 0; round < 10; round++) await prober.answerAll('timeout')
  await asked
  assert.deepEqual(monitor.stats(), { inFlight: 0, waiting: 0, skippedBeats: 0, proberRestarts: 0 })
  assert.deepEqual(
    monitor.services.get('silent')?.targets.map(({ checks }) => checks),
    Array(20).fill(2),
  )
})
