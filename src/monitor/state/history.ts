import type { Outcome } from '../../domain/check/outcome.ts'
import type { Monitor } from '../monitor.ts'
import { createCheckRing, type PastCheck, slotBytes } from './check-ring.ts'
import { createColumns, enumColumn, rowOf } from './columns.ts'
import type { TargetState } from './state.ts'

/** The last checks of every target, including those that other replicas made. */
export type History = {
  /** Returns up to 60 checks, oldest first; none for a target that was never checked. */
  of(state: TargetState): readonly PastCheck[]
  close(): void
}

/** How many checks are stored for each target. */
export const checksPerRing = 60

/** The memory for them: 250 bytes. */
export const bytesPerTarget = slotBytes(checksPerRing)

/** Records a monitor's checks from now on. A target that was never checked takes no memory. */
export function createHistory({ monitor }: { monitor: Monitor }): History {
  const checks = createCheckRing(checksPerRing)
  const known = createColumns(enumColumn)

  function recordCheck(state: TargetState, outcome: Outcome): void {
    if (isKnown(state) || join(state)) checks.write(state.slot, outcome)
  }

  function isKnown({ slot }: TargetState): boolean {
    return known.chunkOf(slot)[rowOf(slot)] === 1
  }

  /** Begins the history of a target of a service. Returns false for a target that has not joined yet, because no event reports if it never joins. */
  function join(state: TargetState): boolean {
    if (state.retired || !state.serviceState.targets.includes(state)) return false
    known.chunkOf(state.slot)[rowOf(state.slot)] = 1
    return true
  }

  function syncTargets(changed: readonly TargetState[]): void {
    for (const state of changed) {
      const { lastOutcome } = state.health
      if (state.retired) forget(state)
      // The target may have been checked before it joined its service.
      else if (lastOutcome !== null) recordCheck(state, lastOutcome)
    }
  }

  function forget(state: TargetState): void {
    if (!isKnown(state)) return
    checks.clear(state.slot)
    known.chunkOf(state.slot)[rowOf(state.slot)] = 0
  }

  const stopListening = [
    monitor.checked.subscribe(({ state, outcome }) => recordCheck(state, outcome)),
    monitor.adopted.subscribe(({ state, outcome }) => recordCheck(state, outcome)),
    monitor.targetsChanged.subscribe(syncTargets),
  ]

  return {
    of: (state) => (isKnown(state) ? checks.read(state.slot) : []),
    close() {
      for (const stop of stopListening) stop()
    },
  }
}
