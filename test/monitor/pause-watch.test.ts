import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '../../src/clock.ts'
import type { Pause } from '../../src/domain/pause.ts'
import { watchPauses } from '../../src/monitor/pause-watch.ts'

/** A watch over hands that the test sets. Its timer does not fire while a test looks. */
function watching(t: TestContext) {
  const at = { monotonic: 5000, wall: 1_790_000_000_000, boot: 90_000 }
  const clock = systemClock(
    () => at.monotonic,
    () => at.wall,
    () => at.boot,
  )
  const watch = watchPauses(clock)
  const told: Pause[] = []
  watch.paused.subscribe((pause) => told.push(pause))
  watch.start()
  t.after(watch.stop)
  const advance = (ms: number) => {
    for (const hand of ['monotonic', 'wall', 'boot'] as const) at[hand] += ms
  }
  return { at, watch, told, advance }
}

test('a second in which nothing read the clock is a pause, known to whatever reads it next', async (t) => {
  const { watch, told, advance } = watching(t)
  advance(5000)
  assert.equal(watch.clock.now(), 10_000)
  assert.deepEqual(watch.pauses, [{ from: 5000, to: 10_000 }])
  assert.equal(watch.totalMs(), 5000)
  assert.deepEqual(told, [])
  await setImmediate()
  assert.deepEqual(told, [{ from: 5000, to: 10_000 }])
})

test('a loop that is busy reads the clock, and has not paused', (t) => {
  const { watch, advance } = watching(t)
  for (let i = 0; i < 100; i++) {
    advance(900)
    watch.clock.now()
  }
  assert.deepEqual(watch.pauses, [])
})

test('before it is started and after it is stopped there are no pauses', (t) => {
  const { watch, advance } = watching(t)
  watch.stop()
  advance(60_000)
  watch.clock.now()
  watch.start()
  watch.clock.now()
  assert.deepEqual(watch.pauses, [])
})

test('a machine that was suspended is a pause: its monotonic clock stood still meanwhile', (t) => {
  const { at, watch } = watching(t)
  const before = watch.clock.now()
  at.wall += 3_600_000
  at.boot += 3_600_000
  watch.clock.noticeSuspension()
  const after = watch.clock.now()
  assert.equal(after - before, 3_600_000)
  assert.deepEqual(watch.pauses, [{ from: before, to: after }])
})
