import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderDials } from '../../src/domain/dial-order.ts'

const all = () => false
const [a4, b4, c4] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const [a6, b6, c6] = ['fd00::1', 'fd00::2', 'fd00::3']

test('the order of the system stays where the families take turns already', () => {
  assert.deepEqual(orderDials([a6, a4, b6, b4], null, all), [a6, a4, b6, b4])
})

test('the families take turns, beginning with that of the first address', () => {
  assert.deepEqual(orderDials([a6, b6, c6, a4], null, all), [a6, a4, b6, c6])
  assert.deepEqual(orderDials([a4, b4, a6, b6], null, all), [a4, a6, b4, b6])
})

test('an address is there once, and no more than four are', () => {
  assert.deepEqual(orderDials([a4, a4, b4, a4, c4, a6, b6], null, all), [a4, a6, b4, b6])
  assert.deepEqual(orderDials([a4, a4], null, all), [a4])
})

test('the preferred address goes first, also one that would come after the fourth', () => {
  assert.deepEqual(orderDials([a6, a4], a4, all), [a4, a6])
  assert.deepEqual(orderDials(['10.0.0.7', '10.0.0.8', '10.0.0.9', a4, b4], b4, all).slice(0, 2), [b4, '10.0.0.7'])
})

test('a preferred address that the name no longer has does not count', () => {
  assert.deepEqual(orderDials([a6, a4], b4, all), [a6, a4])
})

test('the first denied address ends the list, and nothing behind it is preferred', () => {
  const isDenied = (ip: string) => ip === b4
  assert.deepEqual(orderDials([b4, a4], a4, isDenied), [b4])
  assert.deepEqual(orderDials([a4, b4, c4], c4, isDenied), [a4, b4])
  assert.deepEqual(orderDials([a4, c4, b4], c4, isDenied), [c4, a4, b4])
})
