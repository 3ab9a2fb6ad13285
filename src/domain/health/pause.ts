import { type Outcome, ranOutOfTime } from '../check/outcome.ts'

/** A time in which a process or its prober was alive but did not run. Instants in milliseconds. */
export type Pause = { readonly from: number; readonly to: number }

/** The pauses in which no check could confirm a status, the oldest first. */
export type Pauses = {
  /** The pauses of this process. */
  readonly ofProcess: readonly Pause[]
  /** The pauses of this process, and those of its prober while the rest of the process ran. */
  readonly ofChecks: readonly Pause[]
}

/**
 * Returns whether a check ran out of time while this process or its prober did not run. Such an outcome says nothing about its target, because
 * the answer may have arrived during the pause. If the machine was suspended, no answer could arrive.
 */
export function isInterrupted(outcome: Outcome, { ofChecks }: Pauses): boolean {
  if (ofChecks.length === 0) return false
  return ranOutOfTime(outcome) && pausedMs(ofChecks, outcome.startedAt, outcome.endedAt) > 0
}

/** The pauses of a process without any. */
export const noPauses: Pauses = { ofProcess: Object.freeze([]), ofChecks: Object.freeze([]) }

/** How many pauses are remembered. The oldest may go, because they only extend the trust in targets that were not checked since. */
const mostPauses = 100

/** Returns the total length of the pauses between two instants, in milliseconds. `pauses` do not overlap, the oldest first. */
export function pausedMs(pauses: readonly Pause[], from: number, to: number): number {
  let ms = 0
  for (let i = pauses.length - 1; i >= 0; i--) {
    const pause = pauses[i] as Pause
    if (pause.to <= from) break
    ms += Math.max(0, Math.min(pause.to, to) - Math.max(pause.from, from))
  }
  return ms
}

/** Adds a pause to a list, in place, and merges it with the pauses that it overlaps. Beyond 100 pauses the oldest is dropped. */
export function addPause(pauses: Pause[], added: Pause): void {
  let { from, to } = added
  let place = pauses.length
  for (; place > 0; place--) {
    const before = pauses[place - 1] as Pause
    if (before.to < from) break
    from = Math.min(from, before.from)
    to = Math.max(to, before.to)
  }
  pauses.splice(place, pauses.length - place, { from, to })
  if (pauses.length > mostPauses) pauses.shift()
}
