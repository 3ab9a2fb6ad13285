import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAgenda } from '../../src/monitor/agenda.ts'

const [a, b, c, d] = [3, 1, 4, 600]

test('slots due within one tick come out together, once the tick is over', () => {
  const agenda = createAgenda(40)
  agenda.put(b, 79.9)
  agenda.put(c, 80)
  agenda.put(d, 80.1)
  agenda.put(a, 41)
  assert.equal(agenda.nextAt(), 80)
  assert.equal(agenda.take(79.99), null)
  assert.deepEqual(agenda.take(80), [b, c, a])
  assert.equal(agenda.take(80), null)
  assert.equal(agenda.nextAt(), 120)
  assert.deepEqual(agenda.take(10_000), [d])
  assert.equal(agenda.nextAt(), null)
})

test('a slot keeps its due time after it was taken, until it is removed', () => {
  const agenda = createAgenda(40)
  assert.equal(agenda.dueAt(a), Number.POSITIVE_INFINITY)
  agenda.put(a, 41.5)
  agenda.take(80)
  assert.equal(agenda.dueAt(a), 41.5)
  agenda.remove(a)
  assert.equal(agenda.dueAt(a), Number.POSITIVE_INFINITY)
})

test('a slot that moves to another tick and back comes out once', () => {
  const agenda = createAgenda(40)
  for (const dueAt of [30, 70, 35]) agenda.put(a, dueAt)
  assert.deepEqual(agenda.take(40), [a])
  assert.equal(agenda.nextAt(), null)
})

test('the slots of one tick can be taken in parts, without slots that moved in between', () => {
  const agenda = createAgenda(40)
  for (const slot of [1, 2, 3, 4, 5]) agenda.put(slot, 20)
  assert.deepEqual(agenda.take(40, 2), [1, 2])
  assert.equal(agenda.nextAt(), 40)
  agenda.put(3, 90)
  agenda.put(1, 35)
  assert.deepEqual(agenda.take(40, 2), [4, 5])
  assert.deepEqual(agenda.take(40, 2), [1])
  assert.equal(agenda.take(40, 2), null)
  assert.equal(agenda.nextAt(), 120)
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
      const agenda = createAgenda(tickMs)
      const expected = new Map<number, number>()
      let now = 0
      for (const next of steps) {
        if ('put' in next) {
          agenda.put(next.put, now + next.in)
          expected.set(next.put, now + next.in)
        } else if ('remove' in next) {
          agenda.remove(next.remove)
          expected.delete(next.remove)
        } else now += next.pass
        const out: number[] = []
        for (let taken = agenda.take(now, 2); taken !== null; taken = agenda.take(now, 2)) out.push(...taken)
        const over = [...expected]
          .filter(([, dueAt]) => Math.ceil(dueAt / tickMs) * tickMs <= now)
          .map(([slot]) => slot)
        assert.equal(out.length, over.length)
        assert.deepEqual(new Set(out), new Set(over))
        for (const slot of over) expected.delete(slot)
        const first = Math.min(...[...expected.values()].map((dueAt) => Math.ceil(dueAt / tickMs) * tickMs))
        assert.equal(agenda.nextAt(), expected.size === 0 ? null : first)
      }
    }),
  )
})
