import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nanosecondsOf } from '../../src/metrics/nanoseconds.ts'

test('a duration is rounded to the nanosecond, without the rounding errors of sums', () => {
  const told = [0, 0.213, 0.1 + 0.2, 1e-6, 4e-7, 60_000, 1e9].map(nanosecondsOf)
  assert.deepEqual(told, [0, 213_000, 300_000, 1, 0, 6e10, 1e15])
})
