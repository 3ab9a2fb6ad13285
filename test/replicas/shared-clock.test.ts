import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createSharedClock } from '../../src/replicas/shared-clock.ts'
import { fakeClock } from '../monitor/fakes.ts'

/** A shared clock on top of a clock of the test. */
function start() {
  const own = fakeClock()
  return { own, clock: createSharedClock(own) }
}

/** The store's time of day at instant 0 of the replica's clock, which is off by five minutes. */
const storeAt = fakeClock().toEpoch(0) + 300_000

test("shows the machine's own time of day until it is aligned with the store", () => {
  const { own, clock } = start()
  assert.equal(clock.toEpoch(5000), own.toEpoch(5000))
  assert.equal(clock.fromEpoch(own.toEpoch(5000)), 5000)
  own.stepWall(60_000)
  assert.equal(clock.toEpoch(5000), own.toEpoch(5000))
})

test("shows the store's time of day from then on, whatever the machine's does, and the instants of its own clock", () => {
  const { own, clock } = start()
  clock.align(5000, 5000, storeAt + 5000)
  assert.equal(clock.toEpoch(7000), storeAt + 7000)
  assert.equal(clock.fromEpoch(storeAt + 7000), 7000)
  own.stepWall(3_600_000)
  assert.equal(clock.toEpoch(7000), storeAt + 7000)
  assert.equal(clock.now(), 5000)
  own.advance(1.5)
  assert.equal(clock.now(), 5001.5)
})

test('the times of day of two replicas differ by at most half of the time that their answers took', () => {
  const answer = fc.record({
    startedAt: fc.nat({ max: 1e9 }),
    goMs: fc.nat({ max: 900 }),
    backMs: fc.nat({ max: 900 }),
  })
  fc.assert(
    fc.property(answer, answer, (one, other) => {
      const [first, second] = [one, other].map(({ startedAt, goMs, backMs }) => {
        const { clock } = start()
        // The replica asks the store at 1,000,000 of the store's time, which is `startedAt` on the replica's clock.
        clock.align(startedAt, startedAt + goMs + backMs, 1_000_000 + goMs)
        return { clock, startedAt, doubtMs: (goMs + backMs) / 2 }
      })
      assert(first && second)
      const time = first.clock.toEpoch(first.startedAt)
      const apart = second.clock.fromEpoch(time) - second.startedAt
      assert.ok(Math.abs(apart) <= first.doubtMs + second.doubtMs, `${apart} ms apart`)
    }),
  )
})

test('a difference of at most 20 ms is not corrected, so that past times in reports do not move', () => {
  const { clock } = start()
  clock.align(5000, 5000, storeAt + 5000)
  for (const offMs of [0, 20, -20, 7.5]) {
    clock.align(6000, 6000, storeAt + 6000 + offMs)
    assert.equal(clock.toEpoch(5000), storeAt + 5000, `${offMs} ms`)
  }
  for (const offMs of [20.5, -20.5, 5000]) {
    const { clock } = start()
    clock.align(5000, 5000, storeAt + 5000)
    clock.align(6000, 6000, storeAt + 6000 + offMs)
    assert.equal(clock.toEpoch(5000), storeAt + 5000 + offMs, `${offMs} ms`)
  }
})

test('a slow answer is less exact, and does not replace the time of a fast one', () => {
  const { clock } = start()
  clock.align(5000, 5000, storeAt + 5000)
  // This answer took 800 ms, all of it on the way back.
  clock.align(6000, 6800, storeAt + 6000)
  assert.equal(clock.toEpoch(7000), storeAt + 7000)
  // This time is off even if the whole delay was on the way there.
  clock.align(6000, 6800, storeAt + 6821)
  assert.equal(clock.toEpoch(7000), storeAt + 7421)
})

test('clocks that drift apart are aligned again before they differ by 20 ms and half the time of an answer', () => {
  const { clock } = start()
  for (let second = 0; second < 3600; second++) {
    const instant = second * 1000
    // The store's clock is 0.1 % faster, and every answer takes 4 ms.
    const epochMs = storeAt + instant * 1.001
    clock.align(instant - 2, instant + 2, epochMs)
    assert.ok(Math.abs(clock.toEpoch(instant) - epochMs) <= 22.001, `after ${second} s`)
  }
})

test('times of day and instants convert into each other', () => {
  const { clock } = start()
  clock.align(5000, 5001, storeAt + 5000)
  fc.assert(
    fc.property(fc.double({ min: -1e10, max: 1e10, noNaN: true }), (instant) => {
      assert.ok(Math.abs(clock.fromEpoch(clock.toEpoch(instant)) - instant) < 0.001)
    }),
  )
})
