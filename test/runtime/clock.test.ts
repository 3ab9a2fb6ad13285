import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../src/runtime/clock.ts'

/** Creates a clock from two sources that the test sets. */
function hands() {
  const at = { monotonic: 5000, wall: 1_790_000_000_000 }
  const clock = systemClock(
    () => at.monotonic,
    () => at.wall,
    () => 80_000 + at.monotonic,
    'a boot',
    80_000,
  )
  return { at, clock }
}

test('now follows the monotonic clock, regardless of the wall clock', () => {
  const { at, clock } = hands()
  assert.equal(clock.now(), 5000)
  at.wall -= 3_600_000
  assert.equal(clock.now(), 5000)
  at.monotonic += 1
  assert.equal(clock.now(), 5001)
})

test('an instant converts to the time of day that it had', () => {
  const { at, clock } = hands()
  assert.equal(clock.toEpoch(clock.now()), 1_790_000_000_000)
  at.monotonic += 250
  at.wall += 250
  assert.equal(clock.toEpoch(clock.now()), 1_790_000_000_250)
  assert.equal(clock.toEpoch(5000), 1_790_000_000_000)
})

test('an instant has the same time of day while the wall clock only jitters', () => {
  const { at, clock } = hands()
  fc.assert(
    fc.property(fc.double({ min: -1000, max: 1000, noNaN: true }), (jitter) => {
      at.wall = 1_790_000_000_000 + jitter
      assert.equal(clock.toEpoch(5000), 1_790_000_000_000)
    }),
  )
})

for (const stepMs of [3_600_000, -3_600_000, 1001, -1001]) {
  test(`when the wall clock steps by ${stepMs} ms, times of day follow it`, () => {
    const { at, clock } = hands()
    at.wall += stepMs
    assert.equal(clock.toEpoch(clock.now()), 1_790_000_000_000 + stepMs)
    assert.equal(clock.fromEpoch(1_790_000_000_000 + stepMs), clock.now())
  })
}

test('the clock follows a wall clock that drifts, once the difference is one second', () => {
  const { at, clock } = hands()
  for (let step = 0; step < 500; step++) {
    at.monotonic += 1000
    at.wall += 1010
    assert.ok(Math.abs(clock.toEpoch(clock.now()) - at.wall) <= 1000)
  }
})

test('a time of day converts to an instant and back', () => {
  const { clock } = hands()
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (instant) => {
      assert.ok(Math.abs(clock.fromEpoch(clock.toEpoch(instant)) - instant) < 0.001)
    }),
  )
})

test("by default it is the machine's clock", () => {
  const clock = systemClock()
  const before = Date.now()
  const epoch = clock.toEpoch(clock.now())
  assert.ok(epoch > before - 1000 && epoch < Date.now() + 1000)
  const first = clock.now()
  assert.ok(clock.now() >= first)
})

/** Creates a clock from three sources. The third is the time since the machine was started, which goes on while the machine is suspended. */
function suspendable() {
  const at = { monotonic: 5000, wall: 1_790_000_000_000, boot: 80_000 }
  const clock = systemClock(
    () => at.monotonic,
    () => at.wall,
    () => at.boot,
  )
  const suspend = (ms: number) => {
    at.wall += ms
    at.boot += ms
  }
  return { at, clock, suspend }
}

test('instants include the time for which the machine was suspended, and earlier times of day do not change', () => {
  const { clock, suspend } = suspendable()
  const before = clock.now()
  const epochMs = clock.toEpoch(before)
  suspend(28_800_000)
  clock.noticeSuspension()
  assert.equal(clock.now(), before + 28_800_000)
  assert.equal(clock.toEpoch(before), epochMs)
  assert.equal(clock.suspendedMs(), 28_800_000)
})

test('a suspension that is not noticed yet does not count as a corrected wall clock', () => {
  const { clock, suspend } = suspendable()
  const before = clock.now()
  const epochMs = clock.toEpoch(before)
  suspend(28_800_000)
  assert.equal(clock.toEpoch(before), epochMs)
})

test('a wall clock that was corrected during a suspension moves times of day by the difference of both', () => {
  const { at, clock, suspend } = suspendable()
  const before = clock.now()
  const epochMs = clock.toEpoch(before)
  suspend(28_800_000)
  at.wall += 60_000
  assert.equal(clock.toEpoch(before), epochMs + 60_000)
  assert.equal(clock.now(), before + 28_800_000)
})

test('a pause of the process between the readings of two clocks does not count as a suspension', () => {
  let monotonic = 5000
  let stopsMs = 0
  const clock = systemClock(
    () => monotonic,
    () => 1_790_000_000_000 + monotonic,
    () => {
      monotonic += stopsMs
      return 80_000 + monotonic
    },
  )
  stopsMs = 7000
  clock.noticeSuspension()
  assert.equal(clock.suspendedMs(), 0)
})

test('without the time since the start of the machine no suspension is noticed', () => {
  let monotonic = 5000
  const clock = systemClock(
    () => monotonic,
    () => 1_790_000_000_000,
    () => null,
  )
  monotonic += 1
  clock.noticeSuspension()
  assert.equal(clock.now(), 5001)
})

test('two datings differ only by the correction of the wall clock', () => {
  const { at, clock } = hands()
  const before = clock.dating()
  at.monotonic += 60_000
  at.wall += 60_000
  assert.deepEqual(clock.dating(), before)
  at.wall += 900
  assert.deepEqual(clock.dating(), before)
  at.wall += 86_400_000
  const after = clock.dating()
  assert.deepEqual(
    [after.boot, after.bootedAt - before.bootedAt, after.monotonicAt - before.monotonicAt],
    ['a boot', 86_400_900, 86_400_900],
  )
})

test('two processes on the same running machine have the same dating', () => {
  const at = { monotonic: 5000, wall: 1_790_000_000_000 }
  const start = (aheadMs: number) =>
    systemClock(
      () => at.monotonic - aheadMs,
      () => at.wall,
      () => at.monotonic + 700_000,
      'a boot',
      aheadMs,
    ).dating()
  const first = start(1000)
  at.monotonic += 60_000
  at.wall += 60_000
  assert.deepEqual(start(61_000), first)
})
