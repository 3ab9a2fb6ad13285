import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createDueQueue } from '../../../src/monitor/scheduling/due-queue.ts'

const [a, b, c, d] = [3, 1, 4, 600]

test('slots due within one tick come out together, once the tick is over', () => {
  const dueQueue = createDueQueue(40)
  dueQueue.put(b, 79.9)
  dueQueue.put(c, 80)
  dueQueue.put(d, 80.1)
  dueQueue.put(a, 41)
  assert.equal(dueQueue.nextAt(), 80)
  assert.equal(dueQueue.take(79.99), null)
  assert.deepEqual(dueQueue.take(80), [b, c, a])
  assert.equal(dueQueue.take(80), null)
  assert.equal(dueQueue.nextAt(), 120)
  assert.deepEqual(dueQueue.take(10_000), [d])
  assert.equal(dueQueue.nextAt(), null)
})

test('a slot keeps its due time after it was taken, until it is removed', () => {
  const dueQueue = createDueQueue(40)
  assert.equal(dueQueue.dueAt(a), Number.POSITIVE_INFINITY)
  dueQueue.put(a, 41.5)
  dueQueue.take(80)
  assert.equal(dueQueue.dueAt(a), 41.5)
  dueQueue.remove(a)
  assert.equal(dueQueue.dueAt(a), Number.POSITIVE_INFINITY)
})

test('a slot that moves to another tick and back comes out once', () => {
  const dueQueue = createDueQueue(40)
  for (const dueAt of [30, 70, 35]) dueQueue.put(a, dueAt)
  assert.deepEqual(dueQueue.take(40), [a])
  assert.equal(dueQueue.nextAt(), null)
})

test('the slots of one tick can be taken in parts, without slots that moved in between', () => {
  const dueQueue = createDueQueue(40)
  for (const slot of [1, 2, 3, 4, 5]) dueQueue.put(slot, 20)
  assert.deepEqual(dueQueue.take(40, 2), [1, 2])
  assert.equal(dueQueue.nextAt(), 40)
  dueQueue.put(3, 90)
  dueQueue.put(1, 35)
  assert.deepEqual(dueQueue.take(40, 2), [4, 5])
  assert.deepEqual(dueQueue.take(40, 2), [1])
  assert.equal(dueQueue.take(40, 2), null)
  assert.equal(dueQueue.nextAt(), 120)
})

test('a slot is in the queue once, at its last due time', () => {
  const tickMs = 10
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ put: fc.nat(4), in: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ pass: fc.nat(30) }) },
  )
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const dueQueue = createDueQueue(tickMs)
      const expected = new Map<number, number>()
      let now = 0
      for (const next of steps) {
        if ('put' in next) {
          dueQueue.put(next.put, now + next.in)
          expected.set(next.put, now + next.in)
        } else if ('remove' in next) {
          dueQueue.remove(next.remove)
          expected.delete(next.remove)
        } else now += next.pass
        const out: number[] = []
        for (let taken = dueQueue.take(now, 2); taken !== null; taken = dueQueue.take(now, 2)) out.push(...taken)
        const over = [...expected]
          .filter(([, dueAt]) => Math.ceil(dueAt / tickMs) * tickMs <= now)
          .map(([slot]) => slot)
        assert.equal(out.length, over.length)
        assert.deepEqual(new Set(out), new Set(over))
        for (const slot of over) expected.delete(slot)
        const first = Math.min(...[...expected.values()].map((dueAt) => Math.ceil(dueAt / tickMs) * tickMs))
        assert.equal(dueQueue.nextAt(), expected.size === 0 ? null : first)
      }
    }),
  )
})
