import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createStringPool } from '../../../src/monitor/state/string-pool.ts'
import { bytesOf } from '../memory.ts'

test('a string is returned unchanged, after any other strings', () => {
  const anyText = fc.oneof(fc.constantFrom('', 'a', 'b', '\ud800'), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(fc.array(anyText), fc.integer({ min: 1, max: 5 }), (all, most) => {
      const texts = createStringPool(most)
      assert.deepEqual(
        all.map((text) => texts.share(text)),
        all,
      )
    }),
  )
})

/** Returns a string of about 110 characters that is concatenated each time. */
const textOf = (count: number) => `${'.'.repeat(100)}${count} of them, counted`

test('equal strings share one copy', () => {
  const texts = createStringPool(100)
  const taken = bytesOf(() => Array.from({ length: 10_000 }, (_, count) => texts.share(textOf(count % 100))))
  assert.ok(taken < 300_000, `${taken} bytes`)
})

test('the pool keeps no more strings than its limit', () => {
  const texts = createStringPool(100)
  const taken = bytesOf(() => {
    for (let count = 0; count < 10_000; count++) texts.share(textOf(count))
    return texts
  })
  assert.ok(taken < 100_000, `${taken} bytes`)
})

test('the parts of a concatenated string are not kept', () => {
  const taken = bytesOf(() => {
    const texts = createStringPool(1000)
    return Array.from({ length: 1000 }, (_, count) => texts.share(textOf(count)))
  })
  assert.ok(taken < 250_000, `${taken} bytes`)
})
