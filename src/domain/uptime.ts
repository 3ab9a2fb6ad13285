import type { Absence } from './absence.ts'
import { noCounts, type Status } from './status.ts'
import type { Transition } from './transition.ts'

/** How long a service was what, in whole milliseconds. The three parts add up to the window. */
export type Uptime = {
  /** Up or degraded: a degraded service does its work. */
  readonly upMs: number
  readonly downMs: number
  /** Unknown, not in the log, or Porthole was not running. */
  readonly unknownMs: number
  /** Up over up and down, to 6 decimals; 1 only where nothing was down, null where nothing is known. */
  readonly ratio: number | null
}

/** What there is to judge by. Instants in milliseconds. */
export type UptimeEvidence = {
  /** A service's own changes of status, the oldest first; those before the last one ahead of the window may be left out. */
  readonly changes: readonly Change[]
  /** When nobody looked, the oldest first. */
  readonly absences: readonly Absence[]
  /** The status when the window ends. */
  readonly status: Status
  /** Since when no change is missing. */
  readonly completeSince: number
  readonly from: number
  readonly to: number
}

type Change = Pick<Transition, 'at' | 'from' | 'to'>

/**
 * How long a service was up, down and unknown in a window. Until each change held what that change left, since the last one
 * the status now. When a service is taken away, it turns unknown: until then counts what it was, and from then on nothing is
 * known of it until it is registered anew and checked. While Porthole was not running nothing is known either: until then
 * counts what the change before had led to.
 */
export function measureUptime(evidence: UptimeEvidence): Uptime {
  const spent = noCounts()
  for (const { held, ms } of spansOf(evidence)) spent[held] += ms
  const { degraded, down: downMs, unknown: unknownMs } = spent
  const upMs = spent.up + degraded
  return { upMs, downMs, unknownMs, ratio: ratioOf(upMs, downMs) }
}

/** How long a service was what, in whole milliseconds. */
export type Span = { readonly held: Status; readonly ms: number }

/** What a service was, one span after the other from the start of the window to its end. Some may be of no length. */
export function spansOf({ changes, absences, status, completeSince, from, to }: UptimeEvidence): Span[] {
  const spans: Span[] = []
  // Counted back from the end in whole milliseconds, so that the parts add up exactly however the instants are rounded.
  let leftMs = Math.round(to - from)
  function hold(held: Status, until: number): void {
    // What is said to be older than the change before it, such as a status found stale only later, took no time.
    const leftThenMs = Math.min(leftMs, Math.round(to - Math.min(to, Math.max(from, until))))
    spans.push({ held, ms: leftMs - leftThenMs })
    leftMs = leftThenMs
  }

  hold('unknown', completeSince)
  let left: Status | null = null
  let seen = 0
  for (const change of [...changes, { at: to, from: status, to: status }]) {
    for (; seen < absences.length; seen++) {
      const absence = absences[seen] as Absence
      if (absence.from >= change.at) break
      hold(left ?? change.from, absence.from)
      hold('unknown', absence.to)
    }
    hold(change.from, change.at)
    left = change.to
  }
  return spans
}

const decimals = 1e6

function ratioOf(upMs: number, downMs: number): number | null {
  if (upMs + downMs === 0) return null
  const rounded = Math.round((upMs / (upMs + downMs)) * decimals)
  return Math.min(rounded, downMs > 0 ? decimals - 1 : decimals) / decimals
}
