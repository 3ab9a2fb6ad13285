import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepsChanging, msUntilSettled, type Settling, seeChange } from '../../../src/config/file/settling.ts'

/** Returns the state of a file after looks that found these stamps at these instants. */
function seeAll(looks: readonly [at: number, stamp: string][]): Settling {
  let settling: Settling | null = null
  for (const [at, stamp] of looks) settling = seeChange(settling, stamp, at)
  assert(settling !== null)
  return settling
}

test('a file is settled once it was the same for long enough, and every change delays that', () => {
  const once = seeAll([[0, 'a']])
  assert.deepEqual([msUntilSettled(once, 1000, 0), msUntilSettled(once, 1000, 400)], [1000, 600])
  assert.equal(msUntilSettled(once, 1000, 1000), 0)
  const again = seeAll([
    [0, 'a'],
    [300, 'b'],
    [800, 'b'],
  ])
  assert.equal(msUntilSettled(again, 1000, 800), 500)
  assert.equal(msUntilSettled(again, 5000, 800), 4500)
})

test('a file that changed at every look for half a minute counts as changing all the time', () => {
  const looks = Array.from({ length: 61 }, (_, i): [number, string] => [i * 500, `${i}`])
  assert.equal(keepsChanging(seeAll(looks.slice(0, 60)), 29_500), false)
  assert.equal(keepsChanging(seeAll(looks), 30_000), true)
})
