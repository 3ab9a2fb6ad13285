import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import v8 from 'node:v8'
import { runInNewContext } from 'node:vm'
import { collectGarbage, giveBackFreed, giveBackLarge, preferMemoryWhenCalm } from '../src/reclaim.ts'

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

/** Blocks that only these functions touch: a register of whoever calls them would keep what is let go. */
const held: { blocks: Uint8Array[] } = { blocks: [] }
function hold(count: number, bytes: number): void {
  held.blocks = Array.from({ length: count }, () => new Uint8Array(bytes).fill(1))
}
/** Lets go of all but the last of every so many. */
function letGo(soMany: number): void {
  held.blocks = held.blocks.filter((_, index) => index % soMany === soMany - 1)
}
/** What was found to be garbage is freed by another thread, which is through when the next collection begins. */
function freeGarbage(): void {
  for (let round = 0; round < 2; round++) collectGarbage()
}

test('a large block goes back as soon as it is freed, though another that was larger was freed before', {
  skip,
}, async () => {
  await giveBackLarge()
  // Nothing as large was freed yet that malloc could take them from.
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

test('what was freed below something that is still in use goes back to the system', { skip }, async () => {
  // Of less than 128 kB each, which malloc takes from one piece of memory; the last keeps what is below it.
  hold(3000, 50_000)
  letGo(500)
  freeGarbage()
  const before = process.memoryUsage.rss()
  await giveBackFreed()
  const after = process.memoryUsage.rss()
  assert.equal(held.blocks.length, 6)
  assert.ok(before - after > 50e6, `${before} bytes before and ${after} after`)
})

test('speed counts from the start on, and memory once and for as long as things are calm', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { mock } = t.mock.method(v8, 'setFlagsFromString', () => undefined)
  syncBuiltinESMExports()
  t.after(() => {
    mock.restore()
    syncBuiltinESMExports()
  })
  /** What was set since it was asked last. */
  const set = () => {
    const flags = mock.calls.map(({ arguments: [flag] }) => flag)
    mock.resetCalls()
    return flags
  }
  const [speed, memory] = ['--no-optimize-for-size', '--optimize-for-size']
  let isCalm = false
  const { hurry, stop } = preferMemoryWhenCalm(() => isCalm)
  t.mock.timers.tick(60_000)
  isCalm = true
  t.mock.timers.tick(4500)
  assert.deepEqual(set(), [])
  t.mock.timers.tick(500)
  assert.deepEqual(set(), [memory])
  t.mock.timers.tick(60_000)
  assert.deepEqual(set(), [])

  isCalm = false
  t.mock.timers.tick(500)
  assert.deepEqual(set(), [speed])
  isCalm = true
  t.mock.timers.tick(4500)
  isCalm = false
  t.mock.timers.tick(500)
  isCalm = true
  t.mock.timers.tick(4500)
  assert.deepEqual(set(), [], 'it was not calm for long enough')
  t.mock.timers.tick(500)
  assert.deepEqual(set(), [memory])

  const [oneIsOver, otherIsOver] = [hurry(), hurry()]
  assert.deepEqual(set(), [speed], 'at once')
  oneIsOver()
  t.mock.timers.tick(60_000)
  assert.deepEqual(set(), [], 'the other is not over')
  otherIsOver()
  t.mock.timers.tick(4500)
  assert.deepEqual(set(), [], 'a while after')
  t.mock.timers.tick(500)
  assert.deepEqual(set(), [memory])

  isCalm = false
  t.mock.timers.tick(500)
  isCalm = true
  t.mock.timers.tick(4500)
  hurry()()
  t.mock.timers.tick(4500)
  assert.deepEqual(set(), [speed], 'calm counts anew after a hurry')
  t.mock.timers.tick(500)
  assert.deepEqual(set(), [memory])
  stop()
  isCalm = false
  t.mock.timers.tick(60_000)
  assert.deepEqual(set(), [])
})
