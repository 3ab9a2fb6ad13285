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
  assert.deepEqual(watch.pauses.ofProcess, [{ from: 5000, to: 10_000 }])
  assert.equal(watch.totalMs().process, 5000)
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
  assert.deepEqual(watch.pauses.ofProcess, [])
})

test('before it is started and after it is stopped there are no pauses', (t) => {
  const { watch, advance } = watching(t)
  watch.stop()
  advance(60_000)
  watch.clock.now()
  watch.start()
  watch.clock.now()
  assert.deepEqual(watch.pauses.ofProcess, [])
})

test('a machine that was suspended is a pause: its monotonic clock stood still meanwhile', (t) => {
  const { at, watch } = watching(t)
  const before = watch.clock.now()
  at.wall += 3_600_000
  at.boot += 3_600_000
  watch.clock.noticeSuspension()
  const after = watch.clock.now()
  assert.equal(after - before, 3_600_000)
  assert.deepEqual(watch.pauses.ofProcess, [{ from: before, to: after }])
})

test('a prober that does not turn while the process does is a pause of checks alone', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { watch, advance } = watching(t)
  let turnedAt = watch.clock.now()
  watch.start({ stalledSince: () => turnedAt })
  const told: [number, boolean][] = []
  watch.proberPaused.subscribe(({ from, to, isOver }) => told.push([to - from, isOver]))
  const tick = () => {
    advance(250)
    t.mock.timers.tick(250)
  }
  for (let i = 0; i < 12; i++) tick()
  assert.deepEqual(watch.pauses.ofProcess, [])
  assert.deepEqual(watch.pauses.ofChecks, [{ from: 5000, to: 8500 }])
  turnedAt = watch.clock.now()
  tick()
  assert.deepEqual(told, [
    [1000, false],
    [3000, true],
  ])
  assert.deepEqual(watch.totalMs(), { process: 0, prober: 3000 })
})

test('a prober that was stopped together with the process did not pause by itself', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { watch, advance } = watching(t)
  const turnedAt = watch.clock.now()
  watch.start({ stalledSince: () => turnedAt })
  advance(6000)
  t.mock.timers.tick(250)
  assert.deepEqual(watch.pauses.ofChecks, [{ from: 5000, to: 11_000 }])
  assert.deepEqual(watch.totalMs(), { process: 6000, prober: 0 })
})
