import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf, createFailedTokenLimiter } from '../../../src/http/requests/failed-token-limiter.ts'
import { stoppedClock } from '../../support/app.ts'

test('the tenth wrong token in a minute is the last, and the next minute starts at zero', () => {
  const clock = stoppedClock()
  const { fail, waitMs } = createFailedTokenLimiter(clock)
  const limits: boolean[] = []
  for (let i = 0; i < 10; i++) {
    assert.equal(waitMs('a'), 0)
    limits.push(fail('a'))
    clock.advance(1000)
  }
  assert.deepEqual(limits, [...Array<boolean>(9).fill(false), true])
  assert.equal(waitMs('a'), 50_000)
  clock.advance(49_999)
  assert.equal(waitMs('a'), 1)
  clock.advance(1)
  assert.equal(waitMs('a'), 0)
  assert.equal(fail('a'), false)
  assert.equal(waitMs('a'), 0)
})

test('nine wrong tokens a minute are never limited', () => {
  const clock = stoppedClock()
  const { fail, waitMs } = createFailedTokenLimiter(clock)
  for (let minute = 0; minute < 60; minute++) {
    for (let i = 0; i < 9; i++) assert.equal(fail('a'), false)
    assert.equal(waitMs('a'), 0)
    clock.advance(60_000)
  }
})

test('each client has its own count', () => {
  const { fail, waitMs } = createFailedTokenLimiter(stoppedClock())
  for (let i = 0; i < 10; i++) fail('a')
  fail('b')
  assert.ok(waitMs('a') > 0)
  assert.equal(waitMs('b'), 0)
})

test('beyond the maximum of clients only the oldest count is forgotten', () => {
  const clock = stoppedClock()
  const { fail, waitMs } = createFailedTokenLimiter(clock, 3)
  for (const client of ['a', 'b', 'c']) {
    for (let i = 0; i < 10; i++) fail(client)
    clock.advance(1000)
  }
  fail('d')
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((client) => waitMs(client) > 0),
    [false, true, true, false],
  )
})

test('a count that starts again is the newest', () => {
  const clock = stoppedClock()
  const { fail, waitMs } = createFailedTokenLimiter(clock, 3)
  fail('a')
  clock.advance(60_000)
  fail('b')
  for (let i = 0; i < 10; i++) fail('a')
  fail('c')
  fail('d')
  assert.ok(waitMs('a') > 0, 'b was forgotten')
})

const clients = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['2001:db8:0:2:3::', '2001:db8:0:2::/64'],
  ['2001::2:3:4:5:6', '2001:0:0:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::192.0.2.7', '0:0:0:0::/64'],
  ['', ''],
] as const

test('an IPv6 client is a /64, and an IPv4 client is one address in either spelling', () => {
  for (const [address, client] of clients) assert.equal(clientOf(address), client, address)
})
