import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { reasons } from '../../../src/domain/check/outcome.ts'
import { type Health, neverChecked, nextHealth, statusValidUntil } from '../../../src/domain/health/health.ts'
import { pendingSince } from '../../../src/domain/health/pending.ts'
import { countTargets, isCurrent, updateCounts } from '../../../src/monitor/state/status-counts.ts'
import { sampleOutcome, samplePolicy } from '../../support/samples.ts'

test('cached counts equal a full count, now or less than a second ago, after any outcomes and any time', () => {
  const step = fc.oneof(
    fc.record({ which: fc.nat(4), reason: fc.constantFrom(...reasons) }),
    fc.record({ passMs: fc.oneof(fc.nat(10_000), fc.nat(100_000)) }),
  )
  let held = 0
  let ended = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.boolean(), (steps, isScheduled) => {
      const policy = samplePolicy(isScheduled ? {} : { interval: 'off', maxAge: 5000 })
      const targets = Array.from({ length: 5 }, (_, index): { health: Health } => ({
        health: index === 0 ? pendingSince(1000) : neverChecked,
      }))
      let now = 1000
      let statusCounts = countTargets(targets, policy, now)
      for (const next of steps) {
        if ('passMs' in next) now += next.passMs
        else {
          const target = targets[next.which] as { health: Health }
          const before = target.health
          target.health = nextHealth(before, sampleOutcome(next.reason, now), policy)
          updateCounts(statusCounts, before, target.health, policy)
        }
        const recounted = countTargets(targets, policy, now)
        if (isCurrent(statusCounts, now)) {
          held++
          const isExact = now < statusCounts.until
          assert.ok(isExact || now - statusCounts.at < 1000)
          const { counts, pending } = isExact ? recounted : countTargets(targets, policy, statusCounts.at)
          assert.deepEqual({ counts: statusCounts.counts, pending: statusCounts.pending }, { counts, pending })
        } else {
          ended++
          statusCounts = recounted
        }
      }
    }),
    { numRuns: 1000 },
  )
  assert.ok(held > 1000 && ended > 100, `${held} held, ${ended} did not`)
})

test('counts made at the instant at which a target goes stale count it as unknown', () => {
  const policy = samplePolicy({})
  const target = { health: nextHealth(neverChecked, sampleOutcome('connected', 1000), policy) }
  const until = statusValidUntil(target.health, policy, 1000)
  assert.equal(countTargets([target], policy, until - 1).counts.up, 1)
  assert.equal(countTargets([target], policy, until).counts.unknown, 1)
})

test('a pending target is in no count until its time is over, and then counts as unknown', () => {
  const policy = samplePolicy({ interval: 10_000, timeout: 2000 })
  const targets = [
    { health: nextHealth(neverChecked, sampleOutcome('connected', 1000), policy) },
    { health: pendingSince(1000) },
  ]
  const statusCounts = countTargets(targets, policy, 1000)
  assert.deepEqual(
    [statusCounts.counts.up, statusCounts.counts.unknown, statusCounts.pending, statusCounts.until],
    [1, 0, 1, 13_000],
  )
  const late = countTargets(targets, policy, 13_000)
  assert.deepEqual([late.counts.up, late.counts.unknown, late.pending], [1, 1, 0])
})

test('an outcome takes a pending target into the counts', () => {
  const policy = samplePolicy({})
  const before = pendingSince(1000)
  const statusCounts = countTargets([{ health: before }], policy, 1000)
  updateCounts(statusCounts, before, nextHealth(before, sampleOutcome('refused', 1100), policy), policy)
  assert.deepEqual([statusCounts.counts.down, statusCounts.counts.unknown, statusCounts.pending], [1, 0, 0])
})
