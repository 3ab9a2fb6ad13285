import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'

/** How late scheduled checks began in a while, where that has changed. */
export type OverloadNews = {
  /** More is due than can be done: most checks begin late, and intervals stretch. */
  readonly isOverloaded: boolean
  readonly checks: number
  /** How many of them began late. */
  readonly late: number
  /** How late the latest of them began, in milliseconds. */
  readonly latestMs: number
}

/** So late is late, in milliseconds. */
const lateMs = 1000
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
    const isLate = seen.late * 2 > seen.checks
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

  monitor.checked.subscribe(({ lateMs: ms }) => {
    if (ms === null) return
    const now = clock.now()
    if (now - from >= windowMs) {
      if (seen.checks > 0) judge()
      seen = { checks: 0, late: 0, latestMs: 0 }
      from = now
    }
    seen.checks++
    if (ms > lateMs) seen.late++
    if (ms > seen.latestMs) seen.latestMs = ms
  })
  return told
}
