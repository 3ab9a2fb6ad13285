import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  append,
  type Bytes,
  bytesOf,
  createBytes,
  hasRoom,
  release,
  write,
  writeDecimal,
} from '../../src/metrics/bytes.ts'

const textOf = ({ buffer, length }: Bytes) => buffer.toString('utf8', 0, length)

test('text of any length and in any script can be written and appended, and its memory grows', () => {
  const bytes = createBytes(0)
  let expected = ''
  for (let length = 0; length < 40; length++) {
    for (const letter of ['x', 'ü', '✓', '🐘']) {
      const text = 'a'.repeat(length) + letter
      write(bytes, text)
      append(bytes, bytesOf(text))
      expected += text + text
    }
  }
  assert.equal(textOf(bytes), expected)
})

test('a part of another text can be appended', () => {
  const bytes = createBytes(8)
  append(bytes, bytesOf('0123456789'), 2, 7)
  assert.deepEqual([textOf(bytes), hasRoom(bytes, 1), hasRoom(bytes, 2)], ['2345678', true, false])
})

test('a decimal is written as JavaScript writes it, however small or long', () => {
  const told = [
    [0, 9],
    [1, 9],
    [999, 9],
    [1000, 9],
    [1001, 9],
    [213_000, 9],
    [999_999_999, 9],
    [1_000_000_000, 9],
    [1_000_000_001, 9],
    [999_999_999_999_999, 9],
    [1_000_000_000_000_001, 9],
    [9_007_199_254_740_991, 9],
    [1e30, 9],
    [-250, 3],
    [1, 3],
    [1_732_524_265_123, 3],
    [1_732_524_265_120, 3],
    [1_732_524_265_000, 3],
    [7, 0],
    [Number.POSITIVE_INFINITY, 9],
  ] as const
  const some = Array.from({ length: 10_000 }, () => [Math.floor(10 ** (Math.random() * 17)), 9] as const)
  for (const [number, decimals] of [...told, ...some]) {
    const bytes = createBytes(0)
    writeDecimal(bytes, number, decimals)
    assert.equal(textOf(bytes), `${number / 10 ** decimals}`, `${number} with ${decimals} decimals`)
  }
})

test('freeing the memory of a text leaves other buffers intact, however the text grew', () => {
  const others = Buffer.from('small, of what Node.js shares out')
  for (const room of [0, 10, 100_000]) {
    const bytes = createBytes(room)
    for (const text of ['a', 'bc', 'd'.repeat(room)]) write(bytes, text)
    const { buffer } = bytes
    release(bytes)
    assert.equal(buffer.length, 0)
  }
  assert.equal(others.toString(), 'small, of what Node.js shares out')
  assert.equal(Buffer.from('another').toString(), 'another')
})
