import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../src/clock.ts'

/** A clock over two hands that the test sets. */
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

test('now is the monotonic clock, whatever the wall clock does', () => {
  const { at, clock } = hands()
  assert.equal(clock.now(), 5000)
  at.wall -= 3_600_000
  assert.equal(clock.now(), 5000)
  at.monotonic += 1
  assert.equal(clock.now(), 5001)
})

test('an instant reads as the time of day it was', () => {
  const { at, clock } = hands()
  assert.equal(clock.toEpoch(clock.now()), 1_790_000_000_000)
  at.monotonic += 250
  at.wall += 250
  assert.equal(clock.toEpoch(clock.now()), 1_790_000_000_250)
  assert.equal(clock.toEpoch(5000), 1_790_000_000_000)
})

test('the same instant reads the same while the wall clock only jitters', () => {
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

test('a wall clock that creeps away is followed once it is a second off', () => {
  const { at, clock } = hands()
  for (let step = 0; step < 500; step++) {
    at.monotonic += 1000
    at.wall += 1010
    assert.ok(Math.abs(clock.toEpoch(clock.now()) - at.wall) <= 1000)
  }
})

test('times of day and instants turn into each other', () => {
  const { clock } = hands()
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (instant) => {
      assert.ok(Math.abs(clock.fromEpoch(clock.toEpoch(instant)) - instant) < 0.001)
    }),
  )
})

test("without hands it is the machine's clock", () => {
  const clock = systemClock()
  const before = Date.now()
  const epoch = clock.toEpoch(clock.now())
  assert.ok(epoch > before - 1000 && epoch < Date.now() + 1000)
  const first = clock.now()
  assert.ok(clock.now() >= first)
})

/** A clock over three hands: the third is the time since the machine was started, which goes on while it is suspended. */
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

test('instants go on by the time that the machine was suspended, and times of day before that stay as they were', () => {
  const { clock, suspend } = suspendable()
  const before = clock.now()
  const epochMs = clock.toEpoch(before)
  suspend(28_800_000)
  clock.noticeSuspension()
  assert.equal(clock.now(), before + 28_800_000)
  assert.equal(clock.toEpoch(before), epochMs)
  assert.equal(clock.suspendedMs(), 28_800_000)
})

test('a suspension that is not noticed yet is no corrected wall clock', () => {
  const { clock, suspend } = suspendable()
  const before = clock.now()
  const epochMs = clock.toEpoch(before)
  suspend(28_800_000)
  assert.equal(clock.toEpoch(before), epochMs)
})

test('a wall clock that is corrected while the machine was suspended is followed by the rest', () => {
  const { at, clock, suspend } = suspendable()
  const before = clock.now()
  const epochMs = clock.toEpoch(before)
  suspend(28_800_000)
  at.wall += 60_000
  assert.equal(clock.toEpoch(before), epochMs + 60_000)
  assert.equal(clock.now(), before + 28_800_000)
})

test('whatever stops the process between the readings of two clocks is no suspension', () => {
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

test('where the time since the start of the machine cannot be read there is no suspension', () => {
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

test('a dating tells by how much the wall clock was corrected, and nothing else', () => {
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

test('two processes on one machine that is running tell the same dating', () => {
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
