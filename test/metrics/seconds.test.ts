import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secondsOf, timestampOf } from '../../src/metrics/seconds.ts'

test('a duration is told to the nanosecond, without the noise of adding up', () => {
  const told = [0, 0.213, 0.1 + 0.2, 1e-6, 4e-7, 60_000, 1e15].map(secondsOf)
  assert.deepEqual(told, [0, 0.000213, 0.0003, 1e-9, 0, 60, 1e12])
})

test('a time of day is told to the millisecond', () => {
  assert.deepEqual([1_732_524_265_123.25, 1_732_524_265_000].map(timestampOf), [1_732_524_265.123, 1_732_524_265])
})
