import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits, Limits } from '../../../src/domain/service/limits.ts'

test('a limit that is not written is the default', () => {
  assert.deepEqual(defaultLimits, {
    services: 10_000,
    targets: 100,
    groups: 20,
    nameLength: 200,
    targetLength: 260,
    bodyBytes: 65_536,
  })
  assert.deepEqual(Limits.parse({ targets: 5 }), { ...defaultLimits, targets: 5 })
})

test('a limit is a whole number in its range', () => {
  const ranges = {
    services: [1, 1_000_000],
    targets: [1, 10_000],
    groups: [0, 1000],
    nameLength: [1, 200],
    targetLength: [3, 270],
    bodyBytes: [1024, 16_777_216],
  } satisfies Record<keyof Limits, [number, number]>
  for (const [limit, [min, max]] of Object.entries(ranges)) {
    const accepts = (value: unknown) => Limits.safeParse({ [limit]: value }).success
    assert.deepEqual([min, max].map(accepts), [true, true], limit)
    assert.deepEqual(
      [min - 1, max + 1, min + 0.5, String(max), null].map(accepts),
      [false, false, false, false, false],
      limit,
    )
  }
})
