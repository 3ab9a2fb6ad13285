import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Pause } from '../../src/domain/health/pause.ts'
import { createExpiries } from '../../src/registrar/expiries.ts'
import { fakeClock } from '../monitor/fakes.ts'

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const clock = fakeClock()
  const ended: string[] = []
  const pauses: Pause[] = []
  const of = { ofProcess: pauses, ofChecks: pauses }
  const expiries = createExpiries({ clock, end: (name) => ended.push(name), pauses: of })
  const now = clock.now()
  const pass = (ms: number) => {
    clock.advance(ms)
    t.mock.timers.tick(ms)
  }
  /** Advances the clock without firing timers. */
  const pause = (ms: number) => {
    const from = clock.now()
    clock.advance(ms)
    pauses.push({ from, to: clock.now() })
  }
  return { expiries, ended, now, pass, pause }
}

test('each name expires by itself at its time', (t) => {
  const { expiries, ended, now, pass } = start(t)
  expiries.set('late', now + 2000)
  expiries.set('soon', now + 1000)
  pass(999)
  assert.deepEqual(ended, [])
  pass(1)
  assert.deepEqual(ended, ['soon'])
  pass(1000)
  assert.deepEqual(ended, ['soon', 'late'])
})

test('a name that is set again expires at the new time, and one that is set to never does not expire', (t) => {
  const { expiries, ended, now, pass } = start(t)
  expiries.set('a', now + 1000)
  expiries.set('b', now + 1000)
  expiries.set('a', now + 3000)
  expiries.set('b', null)
  pass(1000)
  assert.deepEqual(ended, [])
  pass(2000)
  assert.deepEqual(ended, ['a'])
})

test('a name that expires in a month does not expire at once, as with a timer that is set too far ahead', (t) => {
  const { expiries, ended, now, pass } = start(t)
  expiries.set('a', now + 40 * 86_400_000)
  pass(1000)
  assert.deepEqual(ended, [])
})

test('names that expire within a short time wake the process once', (t) => {
  const { expiries, ended, now, pass } = start(t)
  for (let i = 1; i <= 5; i++) expiries.set(`${i}`, now + i)
  pass(99)
  assert.deepEqual(ended, [])
  pass(1)
  assert.deepEqual(ended, ['1', '2', '3', '4', '5'])
})

test('nothing expires after close', (t) => {
  const { expiries, ended, now, pass } = start(t)
  expiries.set('a', now + 1000)
  expiries.close()
  pass(2000)
  assert.deepEqual(ended, [])
})

test('a pause of this process delays every expiry by its length, and by one second in which renewals are read', (t) => {
  const { expiries, ended, now, pass, pause } = start(t)
  expiries.set('first', now + 1000)
  expiries.set('second', now + 2000)
  pause(6000)
  pass(1)
  expiries.set('new', now + 6001 + 500)
  pass(499)
  assert.deepEqual(ended, [])
  pass(1)
  assert.deepEqual(ended, ['new'])
  pass(1498)
  assert.deepEqual(ended, ['new'])
  pass(101)
  assert.deepEqual(ended, ['new', 'first'])
  pass(1000)
  assert.deepEqual(ended, ['new', 'first', 'second'])
})

test('a pause delays expiries once', (t) => {
  const { expiries, ended, now, pass, pause } = start(t)
  expiries.set('a', now + 3000)
  pause(2000)
  for (let i = 0; i < 39; i++) pass(100)
  assert.deepEqual(ended, [])
  pass(100)
  assert.deepEqual(ended, ['a'])
})
