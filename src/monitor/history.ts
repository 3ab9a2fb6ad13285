import type { Outcome } from '../domain/outcome.ts'
import { createColumns, rowOf, wordColumn } from './columns.ts'
import type { Monitor } from './monitor.ts'
import { createPastChecks, type PastCheck, slotBytes } from './past-checks.ts'
import type { WatchedTarget } from './watch.ts'

/** The last checks of every target, those that other replicas made among them. */
export type History = {
  /** The oldest first, 60 at most; empty for a target that was never checked. */
  of(watched: WatchedTarget): readonly PastCheck[]
  close(): void
}

/** How many checks of a target are remembered. */
export const pastChecks = 60

/** What they take: 250 bytes. */
export const bytesPerTarget = slotBytes(pastChecks)

/** Remembers a monitor's checks from now on. Targets that were never checked take no memory. */
export function createHistory({ monitor }: { monitor: Monitor }): History {
  const checks = createPastChecks(pastChecks)
  const known = createColumns(wordColumn)

  function note(watched: WatchedTarget, outcome: Outcome): void {
    if (isKnown(watched) || join(watched)) checks.write(watched.slot, outcome)
  }

  function isKnown({ slot }: WatchedTarget): boolean {
    return known.pageOf(slot)[rowOf(slot)] === 1
  }

  /** What was checked before its service has it may never join, and nobody would tell. */
  function join(watched: WatchedTarget): boolean {
    if (watched.retired || !watched.watchedService.targets.includes(watched)) return false
    known.pageOf(watched.slot)[rowOf(watched.slot)] = 1
    return true
  }

  function follow(changed: readonly WatchedTarget[]): void {
    for (const watched of changed) {
      const { lastOutcome } = watched.health
      if (watched.retired) forget(watched)
      // It may have been checked before it joined its service.
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
