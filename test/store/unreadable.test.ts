import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUnreadableEntries, type UnreadableEntry } from '../../src/store/unreadable.ts'

test('an entry is emitted once, and counted while it is there', () => {
  const unreadable = createUnreadableEntries()
  const told: string[] = []
  unreadable.found.subscribe(({ place }) => told.push(place))
  unreadable.recordEntry('kept', { place: 'a', why: 'odd' })
  unreadable.recordEntry('kept', { place: 'a', why: 'odd' })
  unreadable.recordEntry('health', { place: 'b', why: 'odd' })
  assert.deepEqual([told, unreadable.count()], [['a', 'b'], 2])
  unreadable.replace('kept', [{ place: 'c', why: 'odd' }])
  unreadable.forget('health', 'b')
  assert.deepEqual([told, unreadable.count()], [['a', 'b', 'c'], 1])
  unreadable.replace('kept', [{ place: 'a', why: 'odd' }])
  assert.deepEqual([told, unreadable.count()], [['a', 'b', 'c'], 1])
})

test('a registration is found by its name, regardless of the part that cannot be read', () => {
  const unreadable = createUnreadableEntries()
  const entry = (place: string, why: string): UnreadableEntry => ({ place, why, registration: 'pg' })
  unreadable.recordEntry('registrations', entry('x', 'it is no JSON'))
  assert.equal(unreadable.whyRegistration('pg'), 'it is no JSON')
  unreadable.recordEntry('kept', entry('y', 'it has no revision'))
  assert.equal(unreadable.whyRegistration('pg'), 'it has no revision')
  assert.equal(unreadable.whyRegistration('mq'), null)
  unreadable.forgetRegistration('pg')
  assert.deepEqual([unreadable.whyRegistration('pg'), unreadable.count()], [null, 0])
})

test('odd entries in any number fill neither the log nor the memory', () => {
  const unreadable = createUnreadableEntries()
  let told = 0
  unreadable.found.subscribe(() => told++)
  for (let i = 0; i < 100_500; i++) unreadable.recordEntry('kept', { place: `p${i}`, why: 'odd' })
  assert.deepEqual([told, unreadable.count()], [1000, 100_000])
})
