import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createHeap, type Timed } from '../../src/runtime/heap.ts'

const item = (dueAt: number): Timed => ({ dueAt, heapIndex: -1 })

test('returns items in the order of their times', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (times) => {
      const heap = createHeap()
      for (const time of times) heap.push(item(time))
      const taken = times.map(() => {
        const first = heap.peek()
        assert.ok(first)
        heap.remove(first)
        return first.dueAt
      })
      assert.deepEqual(
        taken,
        times.toSorted((a, b) => a - b),
      )
      assert.equal(heap.size, 0)
    }),
  )
})

test('the item that is due first comes first after any pushes and removals', () => {
  const step = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.record({ remove: fc.nat(100) }))
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const heap = createHeap()
      const inside: Timed[] = []
      for (const next of steps) {
        if (typeof next === 'number') {
          const added = item(next)
          heap.push(added)
          inside.push(added)
        } else {
          const [removed] = inside.splice(next.remove % Math.max(1, inside.length), 1)
          if (removed !== undefined) heap.remove(removed)
        }
        assert.equal(heap.size, inside.length)
        const first = inside.length === 0 ? undefined : Math.min(...inside.map(({ dueAt }) => dueAt))
        assert.equal(heap.peek()?.dueAt, first)
      }
    }),
  )
})

test('a removed item can be pushed again, and removing an absent item does nothing', () => {
  const heap = createHeap()
  const [a, b] = [item(1), item(2)]
  heap.push(a)
  heap.push(b)
  heap.remove(a)
  heap.remove(a)
  assert.equal(heap.peek(), b)
  a.dueAt = 3
  heap.push(a)
  heap.remove(b)
  assert.equal(heap.peek(), a)
  assert.equal(heap.size, 1)
})
