import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTexts } from '../../src/monitor/texts.ts'
import { bytesOf } from './memory.ts'

test('a text comes back as it was, whatever came before it', () => {
  const anyText = fc.oneof(fc.constantFrom('', 'a', 'b', '\ud800'), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(fc.array(anyText), fc.integer({ min: 1, max: 5 }), (all, most) => {
      const texts = createTexts(most)
      assert.deepEqual(
        all.map((text) => texts.share(text)),
        all,
      )
    }),
  )
})

/** A text of some 110 characters that is put together anew each time. */
const textOf = (count: number) => `${'.'.repeat(100)}${count} of them, counted`

test('equal texts are kept as one', () => {
  const texts = createTexts(100)
  const taken = bytesOf(() => Array.from({ length: 10_000 }, (_, count) => texts.share(textOf(count % 100))))
  assert.ok(taken < 300_000, `${taken} bytes`)
})

test('no more than so many are remembered', () => {
  const texts = createTexts(100)
  const taken = bytesOf(() => {
    for (let count = 0; count < 10_000; count++) texts.share(textOf(count))
    return texts
  })
  assert.ok(taken < 100_000, `${taken} bytes`)
})

test('what a text was put together from is not kept with it', () => {
  const taken = bytesOf(() => {
    const texts = createTexts(1000)
    return Array.from({ length: 1000 }, (_, count) => texts.share(textOf(count)))
  })
  assert.ok(taken < 250_000, `${taken} bytes`)
})
