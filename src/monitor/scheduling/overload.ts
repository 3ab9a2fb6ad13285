import { createEmitter, type Emitter } from '../emitter.ts'
import type { Monitor } from '../monitor.ts'
import type { TargetState } from '../state/state.ts'

/** How late scheduled checks began in the last window. Emitted when an overload begins or ends, and every five minutes while it lasts. */
export type OverloadNews = {
  /** True if more checks are due than can be done. Then many checks begin late, and intervals stretch. */
  readonly isOverloaded: boolean
  readonly checks: number
  /** How many of these checks began late. */
  readonly late: number
  /** How late the latest of these checks began, in milliseconds. */
  readonly latestMs: number
}

/** A check is late after half of its interval, but not before 100 ms, because any check may wait so long, and always after one second. */
const lateAfter = 0.5
const leastLateMs = 100
const mostLateMs = 1000
/** The share of late checks that makes an overload. Checks of targets that answer may all begin in time while those of unresponsive ones wait. */
const manyOfAll = 0.1
/** The length of a window in milliseconds, and how many windows in a row must agree. One is not enough, because a start is a burst. */
const windowMs = 10_000
const windows = 2
/** How often the news is repeated while an overload lasts, in windows. */
const repeatAfter = 30

/** Detects that more checks are due than this process or this machine can do, by how late they begin. */
export function watchOverload({
  monitor,
  clock,
}: {
  monitor: Monitor
  clock: { now(): number }
}): Emitter<OverloadNews> {
  const reported = createEmitter<OverloadNews>()
  let isOverloaded = false
  let windowsInRow = 0
  let windowsSinceReport = 0
  let from = clock.now()
  let seen = { checks: 0, late: 0, latestMs: 0 }

  function endWindow(): void {
    const isLate = seen.late > seen.checks * manyOfAll
    windowsInRow = isLate === isOverloaded ? 0 : windowsInRow + 1
    windowsSinceReport++
    const hasChanged = windowsInRow === windows
    if (hasChanged) {
      isOverloaded = isLate
      windowsInRow = 0
    }
    if (!hasChanged && !(isOverloaded && windowsSinceReport >= repeatAfter)) return
    windowsSinceReport = 0
    reported.emit({ isOverloaded, ...seen })
  }

  monitor.checked.subscribe(({ state, lateMs: ms }) => {
    if (ms === null) return
    const now = clock.now()
    if (now - from >= windowMs) {
      if (seen.checks > 0) endWindow()
      seen = { checks: 0, late: 0, latestMs: 0 }
      from = now
    }
    seen.checks++
    if (ms > lateFrom(state)) seen.late++
    if (ms > seen.latestMs) seen.latestMs = ms
  })
  return reported
}

/** Returns after how many milliseconds a scheduled check of a target is late. */
function lateFrom({ serviceState }: TargetState): number {
  const { intervalMs } = serviceState.service.policy
  return intervalMs === null ? mostLateMs : Math.min(mostLateMs, Math.max(leastLateMs, lateAfter * intervalMs))
}
