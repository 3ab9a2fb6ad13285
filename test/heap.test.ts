import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createHeap } from '../src/heap.ts'

test('gives items back in the order of their ranks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (numbers) => {
      const heap = createHeap<number>((number) => number)
      for (const number of numbers) heap.push(number)
      const taken = Array.from(numbers, () => heap.pop())
      assert.deepEqual(
        taken,
        numbers.toSorted((a, b) => a - b),
      )
      assert.equal(heap.size, 0)
    }),
  )
})

test('pushes and pops in any order take the smallest of what is there', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant('pop'))), (steps) => {
      const heap = createHeap<number>((number) => number)
      let sorted: number[] = []
      for (const step of steps) {
        assert.equal(heap.peek(), sorted[0])
        assert.equal(heap.size, sorted.length)
        if (typeof step === 'number') {
          heap.push(step)
          sorted = [...sorted, step].toSorted((a, b) => a - b)
        } else assert.equal(heap.pop(), sorted.shift())
      }
    }),
  )
})

test('is empty before anything is pushed and after everything is popped', () => {
  const heap = createHeap<{ rank: number }>(({ rank }) => rank)
  assert.equal(heap.pop(), undefined)
  assert.equal(heap.peek(), undefined)
  const item = { rank: 1 }
  heap.push(item)
  assert.equal(heap.pop(), item)
  assert.equal(heap.pop(), undefined)
  assert.equal(heap.size, 0)
})
