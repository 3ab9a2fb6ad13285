import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { batchesOf } from '../../../src/domain/service/batches.ts'

const most = { services: 4, targets: 10 }
const batches = (...targets: number[]) => [...batchesOf(targets, most, (count) => count)]

test('a batch ends at the limit of services or the limit of targets', () => {
  assert.deepEqual(batches(), [])
  assert.deepEqual(batches(1, 1, 1), [[1, 1, 1]])
  assert.deepEqual(batches(1, 1, 1, 1, 1), [[1, 1, 1, 1], [1]])
  assert.deepEqual(batches(5, 5, 1), [[5, 5], [1]])
  assert.deepEqual(batches(5, 6), [[5], [6]])
})

test('a service with more targets than the limit has a batch of its own', () => {
  assert.deepEqual(batches(1, 1000, 1), [[1], [1000], [1]])
  assert.deepEqual(batches(1000, 1000), [[1000], [1000]])
})

test('every service is in one batch, in order, and only a batch of one service exceeds the limits', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(15)), (targets) => {
      const all = batches(...targets)
      assert.deepEqual(all.flat(), targets)
      for (const batch of all) {
        const sum = batch.reduce((sum, count) => sum + count, 0)
        assert.ok(batch.length === 1 || (batch.length <= most.services && sum <= most.targets), batch.join())
      }
    }),
  )
})

test('no more items are read than are needed to end a batch', () => {
  const taken: number[] = []
  function* counting() {
    for (let i = 1; i <= 9; i++) {
      taken.push(i)
      yield i
    }
  }
  const [first] = batchesOf(counting(), most, () => 1)
  assert.deepEqual(first, [1, 2, 3, 4])
  assert.deepEqual(taken, [1, 2, 3, 4, 5])
})
