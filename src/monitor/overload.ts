import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedTarget } from './watch.ts'

/** How late scheduled checks began in a while, where that has changed. */
export type OverloadNews = {
  /** More is due than can be done: many checks begin late, and intervals stretch. */
  readonly isOverloaded: boolean
  readonly checks: number
  /** How many of them began late. */
  readonly late: number
  /** How late the latest of them began, in milliseconds. */
  readonly latestMs: number
}

/** Late is what begins after so much of its interval, but for what every check may have to wait; and whatever is a second late. */
const lateAfter = 0.5
const leastLateMs = 100
const mostLateMs = 1000
/** More than so much of all checks are many: those of targets that answer may all begin in time while the silent ones wait for theirs. */
const manyOfAll = 0.1
/** How long it is looked at before it is judged, and how often in a row it must look the same: a start is a burst. */
const windowMs = 10_000
const windows = 2
/** How often it is told while it lasts, in windows. */
const repeatAfter = 30

/**
 * What this returns says whether more may be due than can be done, seen at once and true of a burst as well: whether the checks that wait
 * for their turn, and the beats skipped since it was asked last, are more than a tenth of the services. No check waits where all may be
 * under way together; then beats are skipped.
 */
export function watchBacklog({ services, stats }: Pick<Monitor, 'services' | 'stats'>): () => boolean {
  let skippedBefore = stats().skippedBeats
  return () => {
    const { waiting, skippedBeats } = stats()
    const skipped = skippedBeats - skippedBefore
    skippedBefore = skippedBeats
    return waiting + skipped > services.size / 10
  }
}

/** Notices when more checks are due than this process or this machine can do, by how late they begin. */
export function watchOverload({
  monitor,
  clock,
}: {
  monitor: Monitor
  clock: { now(): number }
}): Signal<OverloadNews> {
  const told = createSignal<OverloadNews>()
  let isOverloaded = false
  let alike = 0
  let sinceTold = 0
  let from = clock.now()
  let seen = { checks: 0, late: 0, latestMs: 0 }

  function judge(): void {
    const isLate = seen.late > seen.checks * manyOfAll
    alike = isLate === isOverloaded ? 0 : alike + 1
    sinceTold++
    const hasChanged = alike === windows
    if (hasChanged) {
      isOverloaded = isLate
      alike = 0
    }
    if (!hasChanged && !(isOverloaded && sinceTold >= repeatAfter)) return
    sinceTold = 0
    told.emit({ isOverloaded, ...seen })
  }

  monitor.checked.subscribe(({ watched, lateMs: ms }) => {
    if (ms === null) return
    const now = clock.now()
    if (now - from >= windowMs) {
      if (seen.checks > 0) judge()
      seen = { checks: 0, late: 0, latestMs: 0 }
      from = now
    }
    seen.checks++
    if (ms > lateFrom(watched)) seen.late++
    if (ms > seen.latestMs) seen.latestMs = ms
  })
  return told
}

/** After how long a scheduled check of a target is late, in milliseconds. */
function lateFrom({ watchedService }: WatchedTarget): number {
  const { intervalMs } = watchedService.service.policy
  return intervalMs === null ? mostLateMs : Math.min(mostLateMs, Math.max(leastLateMs, lateAfter * intervalMs))
}
