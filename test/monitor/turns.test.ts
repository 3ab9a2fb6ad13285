import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDialRules } from '../../src/domain/dial-rules.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry.ts'
import { sampleService } from '../samples.ts'
import { fakeClock, fakeProber } from './fakes.ts'

/** Checks a service of this origin, and returns under which rules the prober was to do it; `rules` are asked for anew each time. */
function rulesGiven(origin: 'file' | 'http', ...rules: ReturnType<typeof createDialRules>[]) {
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll([{ ...sampleService('pg', ['a:1', 'b:1']), origin }], [])
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
