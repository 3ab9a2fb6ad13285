import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain } from '../../../src/domain/check/explanation.ts'
import { neverChecked, nextHealth } from '../../../src/domain/health/health.ts'
import { isPending, joinedNeverChecked, pendingSince, pendingUntil } from '../../../src/domain/health/pending.ts'
import { sampleOutcome, samplePolicy, sampleTarget } from '../../support/samples.ts'

const policy = samplePolicy({ interval: 10_000, timeout: 2000 })
const onDemand = samplePolicy({ interval: 'off', timeout: 2000 })

test('a target that joined is pending for one interval and a timeout', () => {
  const health = pendingSince(5000)
  assert.equal(pendingUntil(health, policy, 5000), 17_000)
  assert.deepEqual(
    [5000, 16_999, 17_000, 1_000_000].map((now) => isPending(health, policy, now)),
    [true, true, false, false],
  )
  assert.ok(joinedNeverChecked(health))
})

test('a pause extends the pending time by its length, at most to twice the time', () => {
  const health = pendingSince(5000)
  const until = (now: number, to: number) =>
    pendingUntil(health, policy, now, { ofProcess: [], ofChecks: [{ from: 6000, to }] })
  assert.deepEqual([until(12_000, 11_000), until(18_000, 11_000), until(100_000, 99_000)], [17_000, 22_000, 29_000])
})

test('the first outcome ends the pending time at once, whatever its verdict', () => {
  for (const reason of ['connected', 'refused', 'timeout', 'local', 'denied'] as const) {
    const health = nextHealth(pendingSince(5000), sampleOutcome(reason, 5100), policy)
    assert.equal(isPending(health, policy, 5100), false, reason)
  }
  assert.equal(nextHealth(pendingSince(5000), sampleOutcome('refused', 5100), policy).status, 'down')
})

test('a target that was there from the beginning is never pending', () => {
  assert.equal(isPending(neverChecked, policy, 0), false)
  assert.equal(isPending(neverChecked, onDemand, 0), false)
  assert.equal(joinedNeverChecked(neverChecked), false)
})

test('on demand a target is pending until its first check, however long that takes', () => {
  const health = pendingSince(5000)
  assert.equal(isPending(health, onDemand, 1e12), true)
  assert.equal(isPending(nextHealth(health, sampleOutcome('timeout', 9000), onDemand), onDemand, 9000), false)
})

test('the sentence of a pending target says that it does not count yet', () => {
  const health = pendingSince(5000)
  const tell = (now: number) => explain(health, policy, sampleTarget(), now)
  assert.equal(tell(5000), 'added, not checked yet: it counts after its first check')
  assert.equal(tell(17_000), 'not checked yet')
})
