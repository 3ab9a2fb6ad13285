import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addGap } from '../../../src/domain/health/gap.ts'
import {
  effectiveStatus,
  isExcused,
  neverChecked,
  nextHealth,
  staleAfterMs,
  statusValidUntil,
} from '../../../src/domain/health/health.ts'
import { addPause, type Pause, type Pauses, pausedMs } from '../../../src/domain/health/pause.ts'
import { sampleOutcome, samplePolicy } from '../../support/samples.ts'

const anyPause = fc
  .tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 300 }))
  .map(([from, length]): Pause => ({ from, to: from + length }))

test('overlapping pauses count once, in whatever order they are added', () => {
  fc.assert(
    fc.property(fc.array(anyPause, { maxLength: 20 }), fc.tuple(fc.nat(1300), fc.nat(1300)), (all, [a, b]) => {
      const pauses: Pause[] = []
      for (const pause of all.toSorted((one, other) => one.to - other.to)) addPause(pauses, pause)
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      let expected = 0
      for (let ms = from; ms < to; ms++) if (all.some((pause) => pause.from <= ms && ms < pause.to)) expected++
      assert.equal(pausedMs(pauses, from, to), expected)
      assert.ok(pauses.every((pause, i) => i === 0 || (pauses[i - 1]?.to ?? 0) < pause.from))
    }),
  )
})

test('a process remembers only the last 100 pauses', () => {
  const pauses: Pause[] = []
  for (let i = 0; i < 1000; i++) addPause(pauses, { from: i * 10, to: i * 10 + 5 })
  assert.equal(pauses.length, 100)
  assert.equal(pauses.at(-1)?.to, 9995)
})

/** Builds the pauses of a process. */
const ofAll = (...pauses: Pause[]): Pauses => ({ ofProcess: pauses, ofChecks: pauses })

const policy = samplePolicy({ interval: 1000, timeout: 500 })
const trustMs = 3500
const checkedAt = 10_000
const up = nextHealth(neverChecked, sampleOutcome('connected', checkedAt), policy)

test('a pause extends trust by its length', () => {
  assert.equal(staleAfterMs(up, policy), trustMs)
  const pauses = ofAll({ from: 10_500, to: 13_500 })
  assert.equal(effectiveStatus(up, policy, 16_499, pauses).status, 'up')
  assert.equal(statusValidUntil(up, policy, 13_400, pauses), 13_500)
  assert.equal(statusValidUntil(up, policy, 14_000, pauses), 16_500)
  assert.deepEqual(effectiveStatus(up, policy, 16_500, pauses), { status: 'unknown', since: 16_500 })
})

test('all pauses since the last verdict together at most double the time of trust', () => {
  const pauses: Pause[] = []
  for (let from = checkedAt + 100; from < 100_000; from += 1000) {
    addPause(pauses, { from, to: from + 900 })
    const now = from + 900
    const isFresh = now < checkedAt + 2 * trustMs
    assert.equal(effectiveStatus(up, policy, now, ofAll(...pauses)).status, isFresh ? 'up' : 'unknown', `at ${now}`)
  }
})

test('a pause before the last verdict does not extend trust', () => {
  const pauses = ofAll({ from: 2000, to: 9999 })
  assert.equal(effectiveStatus(up, policy, checkedAt + trustMs, pauses).status, 'unknown')
})

test('a status that is stale only because of a pause is excused until the process has run for the time of trust', () => {
  const pauses = ofAll({ from: 10_500, to: 40_500 })
  const excusedUntil = 40_500 + trustMs - 500
  assert.equal(isExcused(up, policy, 10_600, pauses), false)
  assert.equal(effectiveStatus(up, policy, 40_500, pauses).status, 'unknown')
  assert.equal(isExcused(up, policy, 40_500, pauses), true)
  assert.equal(isExcused(up, policy, excusedUntil - 1, pauses), true)
  assert.equal(isExcused(up, policy, excusedUntil, pauses), false)
})

test('a later pause does not excuse a status that was stale before', () => {
  const pauses = ofAll({ from: 20_000, to: 50_000 })
  assert.equal(isExcused(up, policy, 50_000, pauses), false)
})

test('a target that has the same status after a long pause keeps its since', () => {
  const pauses = ofAll({ from: 10_500, to: 40_500 })
  const after = nextHealth(up, sampleOutcome('connected', 40_600), policy, pauses)
  assert.deepEqual([after.status, after.since, after.confirmedAt], ['up', checkedAt, 40_600])
})

test('one failure after a long pause does not change the status', () => {
  const pauses = ofAll({ from: 10_500, to: 40_500 })
  const after = nextHealth(up, sampleOutcome('refused', 40_600), policy, pauses)
  assert.equal(effectiveStatus(after, policy, 40_600, pauses).status, 'unknown')
  assert.equal(isExcused(after, policy, 40_600, pauses), true)
})

test('a pause of the prober alone extends trust, but does not excuse a stale status', () => {
  const pauses = { ofProcess: [], ofChecks: [{ from: 10_500, to: 40_500 }] }
  assert.equal(effectiveStatus(up, policy, checkedAt + 2 * trustMs - 1, pauses).status, 'up')
  assert.equal(effectiveStatus(up, policy, checkedAt + 2 * trustMs, pauses).status, 'unknown')
  assert.equal(isExcused(up, policy, 40_500, pauses), false)
})

test('a process remembers 1000 gaps, and beyond that the closest two become one', () => {
  let gaps = addGap([], { from: 0, to: 1 })
  for (let i = 1; i < 1000; i++) gaps = addGap(gaps, { from: i * 1000, to: i * 1000 + 10 })
  gaps = addGap(gaps, { from: 1_000_000, to: 1_000_010 })
  assert.equal(gaps.length, 1000)
  gaps = addGap(gaps, { from: 1_000_020, to: 1_000_030 })
  assert.equal(gaps.length, 1000)
  assert.deepEqual(gaps.at(-1), { from: 1_000_000, to: 1_000_030 })
})
