import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { collectGarbage, giveBackFreed, giveBackLarge } from '../src/reclaim.ts'

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }

const skip = header.glibcVersionRuntime === undefined && 'this C library has none of these calls'

test('garbage is collected when it is said, and nobody but who says so can', () => {
  let kept: number[][] | null = Array.from({ length: 100_000 }, (_, i) => [i, i])
  const before = process.memoryUsage().heapUsed
  assert.equal(kept.length, 100_000)
  kept = null
  collectGarbage()
  const after = process.memoryUsage().heapUsed
  assert.ok(before - after > 5e6, `${before} bytes before and ${after} after`)
  assert.equal(runInNewContext('typeof gc'), 'undefined')
})

test('what was freed below something that is still in use goes back to the system', {
  skip,
}, async () => {
  // Of less than 128 kB each, which malloc takes from one piece of memory; the last keeps what is below it.
  let blocks: Uint8Array[] = Array.from({ length: 3000 }, () => new Uint8Array(50_000).fill(1))
  const kept = blocks.filter((_, index) => index % 500 === 499)
  blocks = []
  for (let round = 0; round < 2; round++) collectGarbage()
  const before = process.memoryUsage.rss()
  await giveBackFreed()
  const after = process.memoryUsage.rss()
  assert.equal(kept.length, 6)
  assert.ok(before - after > 50e6, `${before} bytes before and ${after} after`)
})

test('a large block goes back as soon as it is freed, though another that was larger was freed before', {
  skip,
}, async () => {
  await giveBackLarge()
  const hold = (bytes: number) => new Uint8Array(bytes).fill(1).length
  hold(20e6)
  for (let round = 0; round < 2; round++) collectGarbage()
  let below: Uint8Array[] = Array.from({ length: 50 }, () => new Uint8Array(400_000).fill(1))
  const last = new Uint8Array(400_000).fill(1)
  const before = process.memoryUsage.rss()
  assert.equal(below.length, 50)
  below = []
  // What was found to be garbage is freed by another thread, which is through when the next collection begins.
  for (let round = 0; round < 2; round++) collectGarbage()
  const after = process.memoryUsage.rss()
  assert.equal(last.length, 400_000)
  assert.ok(before - after > 15e6, `${before} bytes before and ${after} after`)
})
