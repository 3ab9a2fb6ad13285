import type { Outcome } from '../domain/outcome.ts'
import { createColumns, rowOf, wordColumn } from './columns.ts'
import type { Monitor } from './monitor.ts'
import { createPastChecks, type PastCheck, slotBytes } from './past-checks.ts'
import type { WatchedTarget } from './watch.ts'

/** The last checks of every target, including those that other replicas made. */
export type History = {
  /** Returns up to 60 checks, oldest first; none for a target that was never checked. */
  of(watched: WatchedTarget): readonly PastCheck[]
  close(): void
}

/** How many checks are stored for each target. */
export const pastChecks = 60

/** The memory for them: 250 bytes. */
export const bytesPerTarget = slotBytes(pastChecks)

/** Records a monitor's checks from now on. A target that was never checked takes no memory. */
export function createHistory({ monitor }: { monitor: Monitor }): History {
  const checks = createPastChecks(pastChecks)
  const known = createColumns(wordColumn)

  function note(watched: WatchedTarget, outcome: Outcome): void {
    if (isKnown(watched) || join(watched)) checks.write(watched.slot, outcome)
  }

  function isKnown({ slot }: WatchedTarget): boolean {
    return known.pageOf(slot)[rowOf(slot)] === 1
  }

  /** Begins the history of a target of a service. Returns false for a target that has not joined yet, because no event reports if it never joins. */
  function join(watched: WatchedTarget): boolean {
    if (watched.retired || !watched.watchedService.targets.includes(watched)) return false
    known.pageOf(watched.slot)[rowOf(watched.slot)] = 1
    return true
  }

  function follow(changed: readonly WatchedTarget[]): void {
    for (const watched of changed) {
      const { lastOutcome } = watched.health
      if (watched.retired) forget(watched)
      // The target may have been checked before it joined its service.
      else if (lastOutcome !== null) note(watched, lastOutcome)
    }
  }

  function forget(watched: WatchedTarget): void {
    if (!isKnown(watched)) return
    checks.clear(watched.slot)
    known.pageOf(watched.slot)[rowOf(watched.slot)] = 0
  }

  const stopListening = [
    monitor.checked.subscribe(({ watched, outcome }) => note(watched, outcome)),
    monitor.adopted.subscribe(({ watched, outcome }) => note(watched, outcome)),
    monitor.watching.subscribe(follow),
  ]

  return {
    of: (watched) => (isKnown(watched) ? checks.read(watched.slot) : []),
    close() {
      for (const stop of stopListening) stop()
    },
  }
}
