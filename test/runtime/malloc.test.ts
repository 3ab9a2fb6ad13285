import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { collectGarbage, returnLargeBlocks, trimMemory } from '../../src/runtime/malloc.ts'

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }

const skip = header.glibcVersionRuntime === undefined && 'this C library has none of these calls'

test('collectGarbage collects garbage, and does not leave gc to other code', () => {
  let kept: number[][] | null = Array.from({ length: 100_000 }, (_, i) => [i, i])
  const before = process.memoryUsage().heapUsed
  assert.equal(kept.length, 100_000)
  kept = null
  collectGarbage()
  const after = process.memoryUsage().heapUsed
  assert.ok(before - after > 5e6, `${before} bytes before and ${after} after`)
  assert.equal(runInNewContext('typeof gc'), 'undefined')
})

/** Memory blocks that only these functions touch, because a register of the caller would keep a released block alive. */
const held: { blocks: Uint8Array[] } = { blocks: [] }
function hold(count: number, bytes: number): void {
  held.blocks = Array.from({ length: count }, () => new Uint8Array(bytes).fill(1))
}
/** Releases all blocks except the last of each group of `soMany`. */
function letGo(soMany: number): void {
  held.blocks = held.blocks.filter((_, index) => index % soMany === soMany - 1)
}
/** Collects garbage twice. Another thread frees the garbage that the first collection found, and the second collection waits for that thread. */
function freeGarbage(): void {
  for (let round = 0; round < 2; round++) collectGarbage()
}

test('a large block goes back to the system as soon as it is freed, even after a larger one was freed', {
  skip,
}, async () => {
  await returnLargeBlocks()
  // Free one large block first, so that by itself malloc would no longer map blocks of 400 kB. No other freed memory is large enough for them.
  hold(1, 20e6)
  letGo(2)
  freeGarbage()
  hold(50, 400_000)
  const before = process.memoryUsage.rss()
  letGo(50)
  freeGarbage()
  const after = process.memoryUsage.rss()
  assert.equal(held.blocks.length, 1)
  assert.ok(before - after > 15e6, `${before} bytes before and ${after} after`)
})

test('memory that was freed below a block in use goes back to the system', { skip }, async () => {
  // Blocks of less than 128 kB each come from one piece of memory. The last block keeps the memory below it resident.
  hold(3000, 50_000)
  letGo(500)
  freeGarbage()
  const before = process.memoryUsage.rss()
  await trimMemory()
  const after = process.memoryUsage.rss()
  assert.equal(held.blocks.length, 6)
  assert.ok(before - after > 50e6, `${before} bytes before and ${after} after`)
})
