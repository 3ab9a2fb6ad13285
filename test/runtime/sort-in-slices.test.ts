import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { mergeInSlices, sortInSlices } from '../../src/runtime/sort-in-slices.ts'
import { countingSlices } from '../support/slices.ts'

const byFirst = (a: readonly [number, number], b: readonly [number, number]) => a[0] - b[0]

test('items are sorted as Array.prototype.sort sorts them, and equal items keep their order', async () => {
  const keys = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 3000, size: 'max' })
  await fc.assert(
    fc.asyncProperty(keys, async (all) => {
      const items = all.map((key, index) => [key, index] as const)
      assert.deepEqual(await sortInSlices(items, byFirst, countingSlices().begin()), items.toSorted(byFirst))
    }),
    { numRuns: 30 },
  )
})

test('two sorted lists are merged, and of equal items those of the first list come first', async () => {
  const [first, second] = [
    [[1, 0] as const, [3, 0] as const],
    [[1, 1] as const, [2, 1] as const, [4, 1] as const],
  ]
  const merged = await mergeInSlices(first, second, byFirst, countingSlices().begin())
  assert.deepEqual(merged.map(String), ['1,0', '1,1', '2,1', '3,0', '4,1'])
})

test('sorting many items takes many turns of the event loop', async () => {
  let compared = 0
  let before = 0
  let most = 0
  let isDone = false
  const items = Array.from({ length: 50_000 }, (_, index) => (index * 7919) % 50_000)
  const compare = (a: number, b: number) => {
    compared++
    return a - b
  }
  const sorting = sortInSlices(items, compare, countingSlices().begin()).finally(() => {
    isDone = true
  })
  for (; !isDone; before = compared) {
    await setImmediate()
    most = Math.max(most, compared - before)
  }
  assert.deepEqual((await sorting).slice(0, 3), [0, 1, 2])
  assert.ok(most < 30_000, `${most} of ${compared} comparisons in one turn`)
})
