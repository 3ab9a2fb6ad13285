import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderDials } from '../../../src/domain/target/dial-order.ts'

const all = () => false
const [a4, b4, c4] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
const [a6, b6, c6] = ['fd00::1', 'fd00::2', 'fd00::3']

test('the order of the system is unchanged if the families already alternate', () => {
  assert.deepEqual(orderDials([a6, a4, b6, b4], null, all), [a6, a4, b6, b4])
})

test('the families alternate, beginning with that of the first address', () => {
  assert.deepEqual(orderDials([a6, b6, c6, a4], null, all), [a6, a4, b6, c6])
  assert.deepEqual(orderDials([a4, b4, a6, b6], null, all), [a4, a6, b4, b6])
})

test('each address appears once, and there are at most four', () => {
  assert.deepEqual(orderDials([a4, a4, b4, a4, c4, a6, b6], null, all), [a4, a6, b4, b6])
  assert.deepEqual(orderDials([a4, a4], null, all), [a4])
})

test('the preferred address goes first, even from behind the fourth place', () => {
  assert.deepEqual(orderDials([a6, a4], a4, all), [a4, a6])
  assert.deepEqual(orderDials(['10.0.0.7', '10.0.0.8', '10.0.0.9', a4, b4], b4, all).slice(0, 2), [b4, '10.0.0.7'])
})

test('a preferred address that the name no longer has is ignored', () => {
  assert.deepEqual(orderDials([a6, a4], b4, all), [a6, a4])
})

test('the first denied address ends the list, and no address behind it is preferred', () => {
  const isDenied = (ip: string) => ip === b4
  assert.deepEqual(orderDials([b4, a4], a4, isDenied), [b4])
  assert.deepEqual(orderDials([a4, b4, c4], c4, isDenied), [a4, b4])
  assert.deepEqual(orderDials([a4, c4, b4], c4, isDenied), [c4, a4, b4])
})
