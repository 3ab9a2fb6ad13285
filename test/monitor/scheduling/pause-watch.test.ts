import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Pause } from '../../../src/domain/health/pause.ts'
import { watchPauses } from '../../../src/monitor/scheduling/pause-watch.ts'
import { systemClock } from '../../../src/runtime/clock.ts'

/** Creates a pause watch with a clock that the test sets. Its timer does not fire during a test. */
function targetsChanged(t: TestContext) {
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

test('one second without a read of the clock is a pause, and the next read reports it', async (t) => {
  const { watch, told, advance } = targetsChanged(t)
  advance(5000)
  assert.equal(watch.clock.now(), 10_000)
  assert.deepEqual(watch.pauses.ofProcess, [{ from: 5000, to: 10_000 }])
  assert.equal(watch.totalMs().process, 5000)
  assert.deepEqual(told, [])
  await setImmediate()
  assert.deepEqual(told, [{ from: 5000, to: 10_000 }])
})

test('a busy event loop reads the clock, so it is not paused', (t) => {
  const { watch, advance } = targetsChanged(t)
  for (let i = 0; i < 100; i++) {
    advance(900)
    watch.clock.now()
  }
  assert.deepEqual(watch.pauses.ofProcess, [])
})

test('no pauses are reported before start and after stop', (t) => {
  const { watch, advance } = targetsChanged(t)
  watch.stop()
  advance(60_000)
  watch.clock.now()
  watch.start()
  watch.clock.now()
  assert.deepEqual(watch.pauses.ofProcess, [])
})

test('a suspension of the machine is a pause, although the monotonic clock stood still', (t) => {
  const { at, watch } = targetsChanged(t)
  const before = watch.clock.now()
  at.wall += 3_600_000
  at.boot += 3_600_000
  watch.clock.noticeSuspension()
  const after = watch.clock.now()
  assert.equal(after - before, 3_600_000)
  assert.deepEqual(watch.pauses.ofProcess, [{ from: before, to: after }])
})

test('a prober that stalls while the process runs is a pause of checks only', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { watch, advance } = targetsChanged(t)
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

test('a prober that was stopped together with the process has no pause of its own', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { watch, advance } = targetsChanged(t)
  const turnedAt = watch.clock.now()
  watch.start({ stalledSince: () => turnedAt })
  advance(6000)
  t.mock.timers.tick(250)
  assert.deepEqual(watch.pauses.ofChecks, [{ from: 5000, to: 11_000 }])
  assert.deepEqual(watch.totalMs(), { process: 6000, prober: 0 })
})
