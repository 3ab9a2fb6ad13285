import type { Clock } from '../clock.ts'
import { reasonNotUp } from '../domain/down-reason.ts'
import { readsSameUntil, statusAt } from '../domain/health.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import { Reason } from '../domain/outcome.ts'
import { Status } from '../domain/status.ts'
import type { WatchedTarget } from '../monitor/watch.ts'
import { secondsOf, timestampOf } from './seconds.ts'
import { isNarrowed, isSelected, type Selection } from './selection.ts'
import { createTable } from './table.ts'
import type { Family } from './text-format.ts'

/** What the help of a gauge says that shows the last check. */
export const cached =
  'The last check said so, not one made for this scrape: porthole_target_last_check_timestamp_seconds tells when.'

/** What is kept of a target. Words are places in the lists they are from. */
type Column =
  | 'status'
  | 'reason'
  | 'endedAt'
  | 'latencyMs'
  | 'connectMs'
  | 'checks'
  | 'failures'
  | 'synRetransmits'
  /** Until when it reads the same if no outcome comes in: an instant of the clock. */
  | 'until'

function familiesOf(clock: Clock): Family<Column>[] {
  return [
    {
      name: 'porthole_target_up',
      type: 'gauge',
      help: `Whether the target is up. ${cached}`,
      column: 'status',
      value: (place) => (Status.options[place] === 'up' ? 1 : 0),
    },
    {
      name: 'porthole_target_last_check_timestamp_seconds',
      type: 'gauge',
      help: 'When the last check of the target ended.',
      column: 'endedAt',
      value: (instant) => timestampOf(clock.toEpoch(instant)),
    },
    {
      name: 'porthole_target_connect_seconds',
      type: 'gauge',
      help: 'Handshake time of the last check; absent when it got no answer.',
      column: 'latencyMs',
      value: secondsOf,
    },
    {
      name: 'porthole_target_connect_seconds_total',
      type: 'counter',
      help: 'Sum of the handshake times of all successful checks, so that nothing between two scrapes is lost.',
      column: 'connectMs',
      value: secondsOf,
    },
    {
      name: 'porthole_target_checks_total',
      type: 'counter',
      help: 'Checks of the target that came to their end.',
      column: 'checks',
    },
    {
      name: 'porthole_target_failures_total',
      type: 'counter',
      help: "Checks that found the target down; Porthole's own faults are not among them.",
      column: 'failures',
    },
    {
      name: 'porthole_target_syn_retransmits_total',
      type: 'counter',
      help: 'SYNs that had to be sent again, where the prober can see them.',
      column: 'synRetransmits',
    },
    {
      name: 'porthole_target_down_reason',
      type: 'gauge',
      help: "Always 1: why the target is not up, by its last check's reason.",
      column: 'reason',
      value: () => 1,
      labels: (place) => ({ reason: Reason.options[place] ?? '' }),
    },
  ]
}

/** The series of all targets. */
export type TargetSeries = {
  /** Follows a target from now on, or brings it up to date. Returns whether its status reads otherwise than before. */
  patch(watched: WatchedTarget, now: number): boolean
  remove(watched: WatchedTarget): void
  has(watched: WatchedTarget): boolean
  /** Those that may read otherwise by now, as nothing has confirmed them for too long. */
  stale(now: number): WatchedTarget[]
  /** The lines of the targets of selected services, in pieces of which each holds until the next is asked for. */
  pieces(selection: Selection): Iterable<Buffer>
}

/** Keeps what the series of targets tell, less the families in `omit`. */
export function createTargetSeries({
  clock,
  prober,
  omit,
}: {
  clock: Clock
  prober: 'kernel' | 'portable'
  omit: ReadonlySet<MetricFamily>
}): TargetSeries {
  // Only the kernel prober sees SYNs.
  const families = familiesOf(clock).filter(
    ({ name }) => !omit.has(name) && (prober === 'kernel' || name !== 'porthole_target_syn_retransmits_total'),
  )
  const table = createTable<Column>()
  /** Who is followed, by slot. */
  const followed: (WatchedTarget | undefined)[] = []

  const has = (watched: WatchedTarget) => followed[watched.slot] === watched

  return {
    patch(watched, now) {
      const { slot, target, watchedService, health, connectMs, checks, failures, synRetransmits } = watched
      const { name, policy } = watchedService.service
      if (!has(watched)) {
        followed[slot] = watched
        table.add(slot, { service: name, target: target.name })
      }
      const { status } = statusAt(health, policy, now)
      const place = Status.options.indexOf(status)
      const hasChanged = place !== table.get(slot, 'status')
      if (hasChanged) table.set(slot, 'status', place)
      const reason = reasonNotUp(health, policy, status)
      table.set(slot, 'reason', reason === null ? Number.NaN : Reason.options.indexOf(reason))
      const { lastOutcome } = health
      const latencyMs = lastOutcome?.reason === 'connected' ? lastOutcome.latencyMs : null
      table.set(slot, 'endedAt', lastOutcome?.endedAt ?? Number.NaN)
      table.set(slot, 'latencyMs', latencyMs ?? Number.NaN)
      table.set(slot, 'connectMs', connectMs)
      table.set(slot, 'checks', checks)
      table.set(slot, 'failures', failures)
      table.set(slot, 'synRetransmits', synRetransmits)
      const until = readsSameUntil(health, policy, now)
      // Once it is stale, time changes nothing more of it: no series tells how old it is.
      table.set(slot, 'until', until > now ? until : Number.POSITIVE_INFINITY)
      return hasChanged
    },
    remove(watched) {
      if (!has(watched)) return
      followed[watched.slot] = undefined
      table.remove(watched.slot)
    },
    has,
    stale: (now) => followed.flatMap((watched, slot) => (table.get(slot, 'until') <= now ? (watched ?? []) : [])),
    pieces(selection) {
      const isWanted = (slot: number) => {
        const service = followed[slot]?.watchedService.service
        return service !== undefined && isSelected(selection, service)
      }
      return table.pieces(families, isNarrowed(selection) ? isWanted : null)
    },
  }
}
