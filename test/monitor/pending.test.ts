/** Checks the status of a service while targets are added to it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverChecked, nextHealth } from '../../src/domain/health/health.ts'
import type { Quorum } from '../../src/domain/service/quorum.ts'
import { currentStatusOf, effectiveServiceStatus, type TargetSnapshot } from '../../src/monitor/state/state.ts'
import { sampleOutcome, samplePolicy, sampleService } from '../support/samples.ts'
import { watch } from './fakes.ts'

const settings = { interval: 10_000, timeout: 2000 }
const [a, b, c] = ['a:1', 'b:1', 'c:1'] as const

/** Creates a service with these targets. Each target was checked once and is up. */
async function watchUp(names: readonly string[], more: { quorum?: Quorum; interval?: number | 'off' } = {}) {
  const state = watch([sampleService('pg', names, { ...settings, ...more })])
  for (const name of names) await state.checkOnce(state.target('pg', name), 'connected')
  state.transitions.length = 0
  return {
    ...state,
    define: (targets: readonly string[], changed: { quorum?: Quorum } = {}) =>
      state.registry.replaceAll([sampleService('pg', targets, { ...settings, ...more, ...changed })], []),
    status: () => effectiveServiceStatus(state.service('pg'), state.clock.now()),
    checkQueue: () => state.transitions.filter(({ target }) => target === null).map(({ from, to }) => `${from} ${to}`),
  }
}

test('a service that is up stays up while an added target waits for its first check', async () => {
  const { define, status, checkQueue, checkOnce, target } = await watchUp([a])
  define([a, b])
  assert.equal(status(), 'up')
  await checkOnce(target('pg', b), 'connected')
  assert.equal(status(), 'up')
  assert.deepEqual(checkQueue(), [])
})

test('a first verdict of down counts at once', async () => {
  const { define, status, checkQueue, checkOnce, target } = await watchUp([a])
  define([a, b])
  await checkOnce(target('pg', b), 'refused')
  assert.equal(status(), 'down')
  assert.deepEqual(checkQueue(), ['up down'])
})

test('a first check without a verdict makes the service unknown', async () => {
  const { define, status, checkOnce, target } = await watchUp([a])
  define([a, b])
  await checkOnce(target('pg', b), 'local')
  assert.equal(status(), 'unknown')
})

test('an added target that is not checked within an interval and a timeout counts as unknown', async () => {
  const { define, status, clock, checkOnce, target } = await watchUp([a])
  define([a, b])
  clock.advance(11_999)
  await checkOnce(target('pg', a), 'connected')
  assert.equal(status(), 'up')
  clock.advance(1)
  assert.equal(status(), 'unknown')
})

test('a changed definition does not restart that time', async () => {
  const { define, status, clock } = await watchUp([a])
  define([a, b])
  clock.advance(6000)
  define([a, b], { quorum: 2 })
  assert.equal(status(), 'up')
  clock.advance(6000)
  assert.equal(status(), 'unknown')
})

test('a quorum that grows with the targets is not missed before they are checked', async () => {
  const { define, status, checkOnce, target } = await watchUp([a, b], { quorum: 2 })
  define([a, b, c], { quorum: 3 })
  assert.equal(status(), 'up')
  await checkOnce(target('pg', c), 'refused')
  assert.equal(status(), 'down')
})

test('a service that is down stays down while a target is added, and then follows its first verdict', async () => {
  const { define, status, checkOnce, target, service } = await watchUp([a], { quorum: 'any' })
  for (let i = 0; i < 3; i++) await checkOnce(target('pg', a), 'refused')
  define([a, b])
  assert.equal(status(), 'down')
  await checkOnce(target('pg', b), 'connected')
  assert.equal(status(), 'degraded')
  assert.equal(service('pg').emittedStatus, 'degraded')
})

test('a service whose targets are all replaced at once is unknown until one target was checked', async () => {
  const { define, status, checkOnce, target } = await watchUp([a, b])
  define([c])
  assert.equal(status(), 'unknown')
  await checkOnce(target('pg', c), 'connected')
  assert.equal(status(), 'up')
})

test('a service that is left with pending targets only is unknown', async () => {
  const { define, status, service } = await watchUp([a])
  define([a, b])
  define([b])
  assert.equal(status(), 'unknown')
  define([b, c])
  assert.equal(status(), 'unknown')
  assert.equal(service('pg').checkedAt, null)
})

test('a new service counts all its targets from the start, because one that is up says nothing about the others', async () => {
  const state = watch([sampleService('pg', [a, b], settings)])
  await state.checkOnce(state.target('pg', a), 'connected')
  const status = () => effectiveServiceStatus(state.service('pg'), state.clock.now())
  assert.equal(status(), 'unknown')
  state.registry.replaceAll([sampleService('pg', [a, b, c], settings)], [])
  assert.equal(status(), 'unknown')
  await state.checkOnce(state.target('pg', b), 'connected')
  assert.equal(status(), 'up')
})

test('the counts of many targets are right while one after another is checked or its time ends', async () => {
  const { define, status, clock, checkOnce, target, service } = await watchUp([a, b, c, 'd:1'])
  define([a, b, c, 'd:1', 'e:1', 'f:1'])
  const { counts } = currentStatusOf(service('pg'), clock.now())
  assert.deepEqual([counts.up, counts.unknown, status()], [4, 0, 'up'])
  await checkOnce(target('pg', 'e:1'), 'connected')
  assert.deepEqual([currentStatusOf(service('pg'), clock.now()).counts.up, status()], [5, 'up'])
  clock.advance(12_000)
  assert.equal(status(), 'unknown')
})

test('with interval: off an added target does not count until a caller requested its check', async () => {
  const { define, status, monitor, prober, service } = await watchUp([a], { interval: 'off' })
  define([a, b])
  assert.equal(status(), 'up')
  assert.equal(prober.begun.length, 1)
  const asked = monitor.refresh([service('pg')], null)
  await prober.pending(b).answer('refused')
  await asked
  assert.equal(status(), 'down')
})

test('the age of a service is that of its checked targets', async () => {
  const { define, service, clock } = await watchUp([a])
  const { checkedAt } = service('pg')
  clock.advance(1000)
  define([a, b])
  assert.equal(service('pg').checkedAt, checkedAt)
  assert.notEqual(checkedAt, null)
})

test('a transition says how many targets are not checked yet, and names none of them as its cause', async () => {
  const { define, transitions, checkOnce, target } = await watchUp([a, b])
  define([c, a, b])
  for (let i = 0; i < 3; i++) await checkOnce(target('pg', b), 'refused')
  assert.match(transitions.at(-1)?.message ?? '', /^1 of 3 targets up, 1 not checked yet; b:1: /)
})

/** Returns the state that other replicas have of a target that is up. */
const upAt = (now: number): TargetSnapshot => ({
  health: nextHealth(neverChecked, sampleOutcome('connected', now), samplePolicy(settings)),
  emittedStatus: 'up',
  checks: 1,
  failures: 0,
  connectMs: 1,
  synRetransmits: 0,
  lossAt: null,
  lookupTotalMs: 0,
  slowLookupAt: null,
})

test('a replica that gets the whole state of the others does not count a target that none of them checked', () => {
  const { clock, monitor, service } = watch([sampleService('pg', [a, b], settings)])
  monitor.adopt(service('pg'), null, new Map([[a, upAt(clock.now())]]), { isWhole: true })
  assert.equal(effectiveServiceStatus(service('pg'), clock.now()), 'up')
})

test('a replica that gets the outcome of one target still counts the others', () => {
  const { clock, monitor, service } = watch([sampleService('pg', [a, b], settings)])
  monitor.adopt(service('pg'), null, new Map([[a, upAt(clock.now())]]))
  assert.equal(effectiveServiceStatus(service('pg'), clock.now()), 'unknown')
})
