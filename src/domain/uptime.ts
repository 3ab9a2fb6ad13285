import { noCounts, type Status } from './status.ts'
import type { Transition } from './transition.ts'

/** How long a service was what, in whole milliseconds. The three parts add up to the window. */
export type Uptime = {
  /** Up or degraded: a degraded service does its work. */
  readonly upMs: number
  readonly downMs: number
  /** Unknown, or not in the log. */
  readonly unknownMs: number
  /** Up over up and down, to 6 decimals; 1 only where nothing was down, null where nothing is known. */
  readonly ratio: number | null
}

/** What there is to judge by. Instants in milliseconds. */
export type UptimeEvidence = {
  /** A service's own changes of status, the oldest first; those before the window may be left out. */
  readonly changes: readonly Pick<Transition, 'at' | 'from'>[]
  /** The status when the window ends. */
  readonly status: Status
  /** Since when no change is missing. */
  readonly completeSince: number
  readonly from: number
  readonly to: number
}

/**
 * How long a service was up, down and unknown in a window. Until each change held what that change left, since the last one
 * the status now. When a service is taken away, it turns unknown: until then counts what it was, and from then on nothing is
 * known of it until it is registered anew and checked.
 */
export function measureUptime({ changes, status, completeSince, from, to }: UptimeEvidence): Uptime {
  // Counted back from the end in whole milliseconds, so that the parts add up exactly however the instants are rounded.
  const untilEnd = (instant: number) => Math.round(to - Math.min(to, Math.max(from, completeSince, instant)))
  const spent = noCounts()
  let leftMs = untilEnd(from)
  for (const { at, from: held } of [...changes, { at: to, from: status }]) {
    // What is said to be older than the change before it, such as a status found stale only later, took no time.
    const leftThenMs = Math.min(leftMs, untilEnd(at))
    spent[held] += leftMs - leftThenMs
    leftMs = leftThenMs
  }
  const upMs = spent.up + spent.degraded
  const downMs = spent.down
  return { upMs, downMs, unknownMs: Math.round(to - from) - upMs - downMs, ratio: ratioOf(upMs, downMs) }
}

const decimals = 1e6

function ratioOf(upMs: number, downMs: number): number | null {
  if (upMs + downMs === 0) return null
  const rounded = Math.round((upMs / (upMs + downMs)) * decimals)
  return Math.min(rounded, downMs > 0 ? decimals - 1 : decimals) / decimals
}
