import type { Outcome } from '../domain/outcome.ts'
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

/** What they take: 430 bytes, besides some 40 for the target's place in a map. */
export const bytesPerTarget = slotBytes(pastChecks)

/** Remembers a monitor's checks from now on. Targets that were never checked take no memory. */
export function createHistory({ monitor }: { monitor: Monitor }): History {
  const checks = createPastChecks(pastChecks)
  const slots = new Map<WatchedTarget, number>()

  function note(watched: WatchedTarget, outcome: Outcome): void {
    const slot = slots.get(watched) ?? takeSlot(watched)
    if (slot !== null) checks.write(slot, outcome)
  }

  function takeSlot(watched: WatchedTarget): number | null {
    // What was checked before its service has it may never join, and nobody would tell.
    if (watched.retired || !watched.watchedService.targets.includes(watched)) return null
    const slot = checks.take()
    slots.set(watched, slot)
    return slot
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
    const slot = slots.get(watched)
    if (slot !== undefined) checks.giveBack(slot)
    slots.delete(watched)
  }

  const stopListening = [
    monitor.checked.subscribe(({ watched, outcome }) => note(watched, outcome)),
    monitor.adopted.subscribe(({ watched, outcome }) => note(watched, outcome)),
    monitor.watching.subscribe(follow),
  ]

  return {
    of(watched) {
      const slot = slots.get(watched)
      return slot === undefined ? [] : checks.read(slot)
    },
    close() {
      for (const stop of stopListening) stop()
    },
  }
}
