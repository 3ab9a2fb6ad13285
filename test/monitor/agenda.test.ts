import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAgenda, type Entry } from '../../src/monitor/agenda.ts'

type Named = Entry & { readonly name: string }
const named = (name: string): Named => ({ name, dueAt: Number.NaN, bucket: null })
const namesOf = (items: readonly Named[] | null) => items?.map(({ name }) => name) ?? null

test('what falls due within a tick comes out together once it is over, and not before', () => {
  const agenda = createAgenda<Named>(40)
  for (const [name, dueAt] of [
    ['b', 79.9],
    ['c', 80],
    ['d', 80.1],
    ['a', 41],
  ] as const)
    agenda.put(named(name), dueAt)
  assert.equal(agenda.nextAt(), 80)
  assert.equal(agenda.take(79.99), null)
  assert.deepEqual(namesOf(agenda.take(80)), ['b', 'c', 'a'])
  assert.equal(agenda.take(80), null)
  assert.equal(agenda.nextAt(), 120)
  assert.deepEqual(namesOf(agenda.take(10_000)), ['d'])
  assert.equal(agenda.nextAt(), null)
})

test('an item keeps the instant it was put in for', () => {
  const agenda = createAgenda<Named>(40)
  const item = named('a')
  agenda.put(item, 41.5)
  agenda.take(80)
  assert.equal(item.dueAt, 41.5)
})

test('an item is in once, wherever it was put last', () => {
  const tickMs = 10
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ put: fc.nat(4), in: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ pass: fc.nat(30) }) },
  )
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const agenda = createAgenda<Named>(tickMs)
      const items = Array.from({ length: 5 }, (_, n) => named(`${n}`))
      const expected = new Map<string, number>()
      let now = 0
      for (const next of steps) {
        if ('put' in next) {
          const item = items[next.put] as Named
          agenda.put(item, now + next.in)
          expected.set(item.name, now + next.in)
        } else if ('remove' in next) {
          const item = items[next.remove] as Named
          agenda.remove(item)
          expected.delete(item.name)
        } else now += next.pass
        const out: string[] = []
        for (let taken = agenda.take(now); taken !== null; taken = agenda.take(now)) out.push(...(namesOf(taken) ?? []))
        const over = [...expected]
          .filter(([, dueAt]) => Math.ceil(dueAt / tickMs) * tickMs <= now)
          .map(([name]) => name)
        assert.equal(out.length, over.length)
        assert.deepEqual(new Set(out), new Set(over))
        for (const name of over) expected.delete(name)
        const first = Math.min(...[...expected.values()].map((dueAt) => Math.ceil(dueAt / tickMs) * tickMs))
        assert.equal(agenda.nextAt(), expected.size === 0 ? null : first)
      }
    }),
  )
})
