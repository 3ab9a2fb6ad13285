import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { giveBackFreed } from '../src/malloc.ts'

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }

test('what was freed below something that is still in use goes back to the system', {
  skip: header.glibcVersionRuntime === undefined && 'this C library has no malloc_trim',
}, async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  // Of less than 128 kB each, which malloc takes from one piece of memory; the last keeps what is below it.
  let blocks: Uint8Array[] = Array.from({ length: 3000 }, () => new Uint8Array(50_000).fill(1))
  const kept = blocks.filter((_, index) => index % 500 === 499)
  blocks = []
  for (let round = 0; round < 3; round++) collectGarbage()
  const before = process.memoryUsage.rss()
  await giveBackFreed()
  const after = process.memoryUsage.rss()
  assert.equal(kept.length, 6)
  assert.ok(before - after > 50e6, `${before} bytes before and ${after} after`)
})
