import type { Outcome } from './outcome.ts'

/** A time when something did not run, though it was alive. Instants in milliseconds. */
export type Pause = { readonly from: number; readonly to: number }

/** When checks could confirm nothing, the oldest first. */
export type Pauses = {
  /** When this process did not run. */
  readonly ofProcess: readonly Pause[]
  /** Those pauses, and those of its prober while the rest of the process ran. */
  readonly ofChecks: readonly Pause[]
}

/**
 * Whether a check ran out of time while this process or its prober did not run. Then it says nothing of its target: an answer may
 * have come too late for us alone, or, where the machine was suspended, could not come at all.
 */
export function isInterrupted({ reason, code, startedAt, endedAt }: Outcome, { ofChecks }: Pauses): boolean {
  if (ofChecks.length === 0) return false
  // Of our own faults, a look-up that was out of time has no code, and ETIME is a dial that began too late.
  const ranOut = reason === 'timeout' || (reason === 'local' && (code === null || code === 'ETIME'))
  return ranOut && pausedMs(ofChecks, startedAt, endedAt) > 0
}

/** The pauses of a process without any. */
export const noPauses: Pauses = { ofProcess: Object.freeze([]), ofChecks: Object.freeze([]) }

/** How many pauses are remembered, the newest. An older one would only extend the trust in a target that was not checked since. */
const mostPauses = 100

/** Returns how long the pauses between two instants lasted together, in milliseconds. `pauses` do not overlap, the oldest first. */
export function pausedMs(pauses: readonly Pause[], from: number, to: number): number {
  let ms = 0
  for (let i = pauses.length - 1; i >= 0; i--) {
    const pause = pauses[i] as Pause
    if (pause.to <= from) break
    ms += Math.max(0, Math.min(pause.to, to) - Math.max(pause.from, from))
  }
  return ms
}

/** Adds a pause to those before it, in place. One that overlaps them becomes one with them. The oldest beyond 100 is forgotten. */
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
