import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reasonNotUp } from '../../../src/domain/check/down-reason.ts'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { type Health, neverChecked } from '../../../src/domain/health/health.ts'
import { sampleOutcome, samplePolicy } from '../../support/samples.ts'

const health = (status: Health['status'], last: Reason | null, downReason: Reason | null = null): Health => ({
  ...neverChecked,
  status,
  downReason,
  lastOutcome: last === null ? null : sampleOutcome(last, 1000),
})
const scheduled = samplePolicy()
const onDemand = samplePolicy({ interval: 'off' })

const table: [what: string, ...Parameters<typeof reasonNotUp>, expected: Reason | null][] = [
  ['it is up', health('up', 'connected'), scheduled, 'up', null],
  ['it is up, and the last check failed', health('up', 'timeout', 'timeout'), scheduled, 'up', null],
  ['it was never checked', health('unknown', null), scheduled, 'unknown', null],
  ['it is down', health('down', 'refused', 'refused'), scheduled, 'down', 'refused'],
  ['it is down, and rises', health('down', 'connected', 'timeout'), scheduled, 'down', 'timeout'],
  ['it was never found up or down', health('unknown', 'local'), scheduled, 'unknown', 'local'],
  ['the schedule is late', health('up', 'connected'), scheduled, 'unknown', 'local'],
  ['its checks confirm nothing', health('up', 'denied'), scheduled, 'unknown', 'denied'],
  ['no client asks', health('up', 'connected'), onDemand, 'unknown', null],
]

test('the reason of a target that is not up is that of its last check, or local if the schedule is late', () => {
  for (const [what, ...given] of table) {
    const [of, policy, status, expected] = given
    assert.equal(reasonNotUp(of, policy, status), expected, what)
  }
})
