import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createTimeSlices, loopAbandoned, type TimeSlice } from '../../src/runtime/time-slices.ts'

/** Creates slices whose time advances by 1 ms with each hundred steps of all loops together. */
function count({ sliceMs = 5 } = {}) {
  let steps = 0
  const slices = createTimeSlices({ now: () => steps / 100, sliceMs })
  /** Runs a loop of `length` steps. */
  async function loop(slice: TimeSlice, length: number): Promise<void> {
    for (let i = 0; i < length; i++) {
      if (slice.mustYield()) await slice.yield()
      steps++
    }
  }
  /** Returns the most steps in one turn of the event loop until `work` is done. */
  async function mostInTurn(work: Promise<unknown>): Promise<number> {
    let isDone = false
    void work.then(() => {
      isDone = true
    })
    let most = 0
    for (let before = 0; !isDone; before = steps) {
      await setImmediate()
      most = Math.max(most, steps - before)
    }
    return most
  }
  return { slices, loop, mostInTurn, steps: () => steps }
}

test('a long loop yields after a slice, and many loops together take no longer in a turn than one', async () => {
  for (const loops of [1, 50]) {
    const { slices, loop, mostInTurn } = count()
    const all = Promise.all(Array.from({ length: loops }, () => loop(slices.begin(), 5000)))
    const most = await mostInTurn(all)
    // Each loop begins with some free steps, and two slices may begin in one turn of the test.
    assert.ok(most >= 500 && most <= 1100 + 100 * loops, `${most} steps in a turn with ${loops} loops`)
  }
})

test('a short loop never yields, regardless of the number of long ones', async () => {
  const { slices, loop } = count()
  const long = Array.from({ length: 20 }, () => loop(slices.begin(), 5000))
  const slice = slices.begin()
  await loop(slice, 100)
  assert.equal(slice.hasYielded, false)
  await Promise.all(long)
})

test('a loop of a few slices does not wait for all the long ones', async () => {
  const { slices, loop, steps } = count()
  const long = Array.from({ length: 50 }, () => loop(slices.begin(), 10_000))
  await setImmediate()
  const before = steps()
  await loop(slices.begin(), 500)
  assert.ok(steps() - before < 3000, `${steps() - before} steps`)
  await Promise.all(long)
})

test('a step of more work counts as much as its work', () => {
  const { slices } = count()
  const slice = slices.begin()
  assert.equal(slice.mustYield(1000), false, 'the slice has only begun')
  let now = 0
  const other = createTimeSlices({ now: () => now }).begin()
  assert.equal(other.mustYield(1000), false)
  now = 5
  assert.equal(other.mustYield(10), false, 'the clock is not read for so little work')
  assert.equal(other.mustYield(1000), true)
})

test('an abandoned loop ends at its next yield, before the wait or after it', async () => {
  let isAbandoned = false
  const { slices } = count()
  const slice = slices.begin(() => isAbandoned)
  const waiting = slice.yield()
  isAbandoned = true
  await assert.rejects(waiting, (error) => error === loopAbandoned)
  await assert.rejects(slice.yield(), (error) => error === loopAbandoned)
})
