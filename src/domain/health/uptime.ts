import type { Gap } from './gap.ts'
import { noCounts, type Status } from './status.ts'
import type { Transition } from './transition.ts'

/** How long a service was up, down and unknown, in whole milliseconds. The three parts add up to the window. */
export type Uptime = {
  /** Up or degraded: a degraded service does its work. */
  readonly upMs: number
  readonly downMs: number
  /** Time in which the status was unknown, the log was incomplete, or Porthole was not running. */
  readonly unknownMs: number
  /** The time up divided by the time up and down, to 6 decimals; 1 only without any time down, null without any time known. */
  readonly ratio: number | null
}

/** The data from which the uptime of a service is computed. Instants in milliseconds. */
export type UptimeEvidence = {
  /** The status changes of the service itself, the oldest first. Of the changes before the window only the last one is needed. */
  readonly changes: StatusChanges
  /** The gaps in which Porthole did not run, the oldest first. */
  readonly gaps: readonly Gap[]
  /** The status when the window ends. */
  readonly status: Status
  /** The instant since which the log has every change. */
  readonly completeSince: number
  readonly from: number
  readonly to: number
}

/** The change of a status. */
export type StatusChange = Pick<Transition, 'at' | 'from' | 'to'>

/** Status changes as columns. 100,000 objects take half as long again to create, and are garbage a moment later. */
export type StatusChanges = { readonly at: number[]; readonly from: Status[]; readonly to: Status[] }

/** Adds a change at the end. */
export function addStatusChange(changes: StatusChanges, { at, from, to }: StatusChange): void {
  changes.at.push(at)
  changes.from.push(from)
  changes.to.push(to)
}

/**
 * Returns how long a service was up, down and unknown in a window. Before a change, its `from` status held; after the last change, the current
 * status holds. A removed service becomes unknown, until it is registered again and checked. In a gap the status is unknown too. Up to the gap,
 * the status after the previous change holds.
 */
export function measureUptime(evidence: UptimeEvidence): Uptime {
  const spent = noCounts()
  visitSpans(evidence, (held, ms) => {
    spent[held] += ms
  })
  const { degraded, down: downMs, unknown: unknownMs } = spent
  const upMs = spent.up + degraded
  return { upMs, downMs, unknownMs, ratio: ratioOf(upMs, downMs) }
}

/**
 * Calls `visit` with the statuses of a service in turn, from the start of the window to its end, and with how long each held, in whole
 * milliseconds. A status may hold for 0 ms. Creates no object for a change, because a service may have 100,000 of them.
 */
export function visitSpans(
  { changes, gaps, status, completeSince, from, to }: UptimeEvidence,
  visit: (held: Status, ms: number) => void,
): void {
  // Counts whole milliseconds back from the end, so that the parts add up exactly however the instants are rounded.
  let leftMs = Math.round(to - from)
  function hold(held: Status, until: number): void {
    // A change may carry an older time than the change before it, such as a status that was found stale only later. The change then takes no time.
    const leftThenMs = Math.min(leftMs, Math.round(to - Math.min(to, Math.max(from, until))))
    visit(held, leftMs - leftThenMs)
    leftMs = leftThenMs
  }

  hold('unknown', completeSince)
  let left: Status | null = null
  let seen = 0
  // The end of the window counts as a last change.
  for (let index = 0; index <= changes.at.length; index++) {
    const at = changes.at[index] ?? to
    const before = changes.from[index] ?? status
    for (; seen < gaps.length; seen++) {
      const gap = gaps[seen] as Gap
      if (gap.from >= at) break
      hold(left ?? before, gap.from)
      hold('unknown', gap.to)
    }
    hold(before, at)
    left = changes.to[index] ?? status
  }
}

const decimals = 1e6

function ratioOf(upMs: number, downMs: number): number | null {
  if (upMs + downMs === 0) return null
  const rounded = Math.round((upMs / (upMs + downMs)) * decimals)
  return Math.min(rounded, downMs > 0 ? decimals - 1 : decimals) / decimals
}
