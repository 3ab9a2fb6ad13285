import assert from 'node:assert/strict'
import { test } from 'node:test'
import { append, type Bytes, bytesOf, createBytes, hasRoom, write } from '../../src/metrics/bytes.ts'

const textOf = ({ buffer, length }: Bytes) => buffer.toString('utf8', 0, length)

test('text of any length and in any script is written and appended, and memory taken as it grows', () => {
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

test('a part of other bytes is appended as it is there', () => {
  const bytes = createBytes(8)
  append(bytes, bytesOf('0123456789'), 2, 7)
  assert.deepEqual([textOf(bytes), hasRoom(bytes, 1), hasRoom(bytes, 2)], ['2345678', true, false])
})
