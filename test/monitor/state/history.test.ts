import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../../src/domain/check/outcome.ts'
import { neverChecked, nextHealth } from '../../../src/domain/health/health.ts'
import { bytesPerTarget, createHistory } from '../../../src/monitor/state/history.ts'
import type { TargetSnapshot, TargetState } from '../../../src/monitor/state/state.ts'
import { sampleOutcome, samplePolicy, sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

const pg = sampleService('pg', ['pg:5432'])

function keep(services = [pg]) {
  const state = watch(services)
  const history = createHistory({ monitor: state.monitor })
  const { clock, checkOnce, monitor, registry } = state
  /** Checks a target once a second, with these outcomes. */
  async function live(target: TargetState, reasons: readonly Outcome['reason'][]): Promise<void> {
    for (const reason of reasons) {
      clock.advance(1000)
      await checkOnce(target, reason)
    }
  }
  /** Applies an outcome of another replica. */
  function adopt(outcome: Outcome): void {
    const health = nextHealth(neverChecked, outcome, samplePolicy())
    const counters = {
      checks: 1,
      failures: 0,
      connectMs: 0,
      synRetransmits: 0,
      lossAt: null,
      lookupTotalMs: 0,
      slowLookupAt: null,
    }
    const memory: TargetSnapshot = { health, emittedStatus: health.status, ...counters }
    monitor.adopt(state.service('pg'), null, new Map([['pg:5432', memory]]))
  }
  return { ...state, registry, history, live, adopt }
}

const told = (history: ReturnType<typeof keep>['history'], state: TargetState) =>
  history.of(state).map(({ at, reason }) => `${at} ${reason}`)

test('the history has the checks of a target, oldest first', async () => {
  const { history, clock, checkOnce, target } = keep()
  const state = target('pg', 'pg:5432')
  assert.deepEqual(history.of(state), [])
  await checkOnce(state, 'connected', { latencyMs: 0.25, synRetransmits: 1 })
  clock.advance(1049)
  await checkOnce(state, 'timeout', { synRetransmits: null })
  const [first, ...more] = history.of(state)
  assert.ok(Math.abs((first?.latencyMs ?? 0) / 0.25 - 1) <= 0.0025, `${first?.latencyMs} ms`)
  assert.deepEqual(
    [{ ...first, latencyMs: 0.25 }, ...more],
    [
      { at: 5000, reason: 'connected', latencyMs: 0.25, synRetransmits: 1 },
      { at: 6000, reason: 'timeout', latencyMs: null, synRetransmits: null },
    ],
  )
})

test('the history has the last 60 checks', async () => {
  const { history, live, target } = keep()
  const state = target('pg', 'pg:5432')
  await live(state, [...Array(5).fill('refused'), ...Array(59).fill('connected')])
  const found = told(history, state)
  assert.equal(found.length, 60)
  assert.deepEqual(found.slice(0, 2), ['10000 refused', '11000 connected'])
  assert.equal(found.at(-1), '69000 connected')
})

test('the history of a target takes 250 bytes', () => {
  assert.equal(bytesPerTarget, 250)
})

test('every target has a history of its own', async () => {
  const { history, live, target } = keep([sampleService('pg', ['db-1:5432', 'db-2:5432', 'db-3:5432'])])
  await live(target('pg', 'db-1:5432'), ['connected'])
  await live(target('pg', 'db-2:5432'), ['refused', 'timeout'])
  assert.deepEqual(told(history, target('pg', 'db-1:5432')), ['6000 connected'])
  assert.deepEqual(told(history, target('pg', 'db-2:5432')), ['7000 refused', '8000 timeout'])
  assert.deepEqual(told(history, target('pg', 'db-3:5432')), [])
})

test('the history has outcomes of other replicas, but none older than its newest check', async () => {
  const { history, live, adopt, clock, target } = keep()
  const state = target('pg', 'pg:5432')
  adopt(sampleOutcome('refused', -20_000))
  await live(state, ['connected'])
  clock.advance(1000)
  adopt(sampleOutcome('timeout', 6500))
  adopt(sampleOutcome('rejected', 6200))
  assert.deepEqual(told(history, state), ['-20000 refused', '6000 connected', '6500 timeout'])
})

test('an outcome of this replica that comes back from the others is in the history once', async () => {
  const { history, live, adopt, clock, target } = keep()
  const state = target('pg', 'pg:5432')
  await live(state, ['connected', 'connected'])
  const { lastOutcome } = state.health
  assert.ok(lastOutcome)
  adopt(lastOutcome)
  const written = clock.toEpoch(lastOutcome.endedAt + 0.3)
  adopt({ ...lastOutcome, endedAt: clock.fromEpoch(written) })
  assert.deepEqual(told(history, state), ['6000 connected', '7000 connected'])
})

test('a removed target loses its history, and a new target of the same name starts empty', async () => {
  const { history, live, registry, target } = keep()
  const before = target('pg', 'pg:5432')
  await live(before, ['refused', 'refused'])
  registry.replaceAll([], [])
  assert.deepEqual(history.of(before), [])
  registry.replaceAll([pg], [])
  const after = target('pg', 'pg:5432')
  assert.deepEqual(history.of(after), [])
  await live(after, ['connected'])
  assert.deepEqual(told(history, after), ['8000 connected'])
  assert.deepEqual(history.of(before), [])
})

test('a late outcome of a removed target is not recorded', async () => {
  const { history, monitor, registry, target } = keep()
  const state = target('pg', 'pg:5432')
  registry.replaceAll([], [])
  monitor.checked.emit({ state, outcome: sampleOutcome('connected', 5000), lateMs: 0 })
  assert.deepEqual(history.of(state), [])
})

test('targets that come and go take only the memory of targets that exist at the same time', () => {
  const { monitor, registry, service } = keep()
  const hosts = Array.from({ length: 256 }, (_, host) => `db-${host}:5432`)
  const before = process.memoryUsage().arrayBuffers
  for (let round = 0; round < 50; round++) {
    registry.replaceAll([sampleService('pg', hosts)], [])
    for (const state of service('pg').targets)
      monitor.checked.emit({ state, outcome: sampleOutcome('connected', 5000), lateMs: 0 })
    registry.replaceAll([], [])
  }
  const taken = process.memoryUsage().arrayBuffers - before
  assert.ok(taken < 10 * 256 * bytesPerTarget, `${taken} bytes`)
})

test('a target that stays in a changed definition keeps its history', async () => {
  const { history, live, registry, target } = keep()
  await live(target('pg', 'pg:5432'), ['connected'])
  registry.replaceAll([sampleService('pg', ['pg:5432', 'other:5432'], { interval: 3000 })], [])
  assert.deepEqual(told(history, target('pg', 'pg:5432')), ['6000 connected'])
})

test('the history of a new address begins with the check before it joined its service', async () => {
  const { history, prober, monitor, service, target } = keep([sampleService('pg', ['db:5432'], { resolve: 'all' })])
  const joined = monitor.applyAddresses(service('pg'), new Map([['db:5432', ['10.0.0.7', '10.0.0.8']]]))
  await prober.answerAll('refused')
  await joined
  assert.deepEqual(told(history, target('pg', '10.0.0.7:5432')), ['5000 refused'])
  assert.deepEqual(told(history, target('pg', '10.0.0.8:5432')), ['5000 refused'])
})

test('a target that was checked and did not join its service has no history', async () => {
  const { history, prober, monitor, service, checked } = keep([sampleService('pg', ['db:5432'], { resolve: 'all' })])
  const joined = monitor.applyAddresses(service('pg'), new Map([['db:5432', ['10.0.0.7', '10.0.0.8']]]))
  const [first] = service('pg').joining
  assert.ok(first)
  await prober.pending('10.0.0.7:5432').answer('connected')
  await prober.pending('10.0.0.8:5432').abandon()
  await joined
  assert.deepEqual(
    checked.map(({ state }) => state),
    [first],
  )
  assert.deepEqual(history.of(first), [])
})

test('a closed history records nothing more', async () => {
  const { history, live, adopt, target } = keep()
  await live(target('pg', 'pg:5432'), ['connected'])
  history.close()
  await live(target('pg', 'pg:5432'), ['refused'])
  adopt(sampleOutcome('timeout', 9000))
  assert.deepEqual(told(history, target('pg', 'pg:5432')), ['6000 connected'])
})
