import type { Clock } from '../clock.ts'
import { inKnownWords } from '../domain/transition.ts'
import type { EarlierLog } from '../monitor/earlier-log.ts'
import type { Kept } from './store.ts'

/** What an earlier process kept, with its times as instants of this process's clock. */
export function readKept({ transitions, completeAfter, absences, aliveAt }: Kept, clock: Clock): EarlierLog {
  const instantOf = createReader(clock)
  const absenceInstantOf = createReader(clock)
  const earlier = transitions.map((kept) => inKnownWords({ ...kept, at: instantOf(kept.at) }))
  const earlierAbsences = absences.map(({ from, to }) => ({ from: absenceInstantOf(from), to: absenceInstantOf(to) }))
  return {
    transitions: earlier,
    absences: earlierAbsences,
    completeAfter: { id: completeAfter.id, at: Math.min(clock.fromEpoch(completeAfter.at), clock.now()) },
    // What was written after the last beat happened all the same.
    endedAt: Math.max(
      instantOf(aliveAt ?? Number.NEGATIVE_INFINITY),
      earlierAbsences.at(-1)?.to ?? Number.NEGATIVE_INFINITY,
    ),
  }
}

/** Reads kept times in their order. The wall clock may have been wrong: nothing was before what went before it, or is yet to come. */
function createReader(clock: Clock): (epochMs: number) => number {
  const now = clock.now()
  let latest = Number.NEGATIVE_INFINITY
  return (epochMs) => {
    latest = Math.max(latest, Math.min(clock.fromEpoch(epochMs), now))
    return latest
  }
}
