import { inKnownWords } from '../domain/health/transition.ts'
import type { PreviousRun } from '../monitor/transitions/previous-run.ts'
import type { Clock } from '../runtime/clock.ts'
import type { StoreSnapshot } from './store.ts'

/** Converts the snapshot of an earlier process to a log whose times are instants of this process's clock. */
export function readStoreSnapshot(
  { transitions, completeAfter, gaps, aliveAt }: StoreSnapshot,
  clock: Clock,
): PreviousRun {
  const instantOf = createReader(clock)
  const gapInstantOf = createReader(clock)
  const earlier = transitions.map((kept) => inKnownWords({ ...kept, at: instantOf(kept.at) }))
  const earlierGaps = gaps.map(({ from, to }) => ({ from: gapInstantOf(from), to: gapInstantOf(to) }))
  return {
    transitions: earlier,
    gaps: earlierGaps,
    completeAfter: { id: completeAfter.id, at: Math.min(clock.fromEpoch(completeAfter.at), clock.now()) },
    // Transitions and gaps that were written after the last heartbeat count too.
    endedAt: Math.max(
      instantOf(aliveAt ?? Number.NEGATIVE_INFINITY),
      earlierGaps.at(-1)?.to ?? Number.NEGATIVE_INFINITY,
    ),
  }
}

/**
 * Returns a function that converts stored times, in their order, to instants. The wall clock may have been wrong, so no instant is before the
 * one before it, or in the future.
 */
function createReader(clock: Clock): (epochMs: number) => number {
  const now = clock.now()
  let latest = Number.NEGATIVE_INFINITY
  return (epochMs) => {
    latest = Math.max(latest, Math.min(clock.fromEpoch(epochMs), now))
    return latest
  }
}
