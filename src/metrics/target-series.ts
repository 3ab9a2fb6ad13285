import type { Clock } from '../clock.ts'
import { reasonNotUp } from '../domain/down-reason.ts'
import { readsSameUntil, statusAt } from '../domain/health.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import { Reason } from '../domain/outcome.ts'
import { Status } from '../domain/status.ts'
import { type Columns, createColumns, placeOf, rowOf, rowsPerPage, wordAt } from '../monitor/columns.ts'
import type { WatchedTarget } from '../monitor/watch.ts'
import { secondsOf, timestampOf } from './seconds.ts'
import { isNarrowed, isSelected, type Selection } from './selection.ts'
import { createTable } from './table.ts'
import type { Family } from './text-format.ts'

/** What the help of a gauge says that shows the last check. */
export const cached =
  'The last check said so, not one made for this scrape: porthole_target_last_check_timestamp_seconds tells when.'

/** What is kept of the targets of a page, apart from what is remembered of them anyway. */
type Page = ReturnType<typeof createPage>

function createPage() {
  const numbers = () => new Float64Array(rowsPerPage)
  /** Places in a list of words. */
  const words = () => new Uint8Array(rowsPerPage)
  return {
    status: words(),
    reason: words(),
    /** NaN for none. */
    endedAt: numbers(),
    latencyMs: numbers(),
    /** Until when it reads the same if no outcome comes in: an instant of the clock. */
    until: numbers(),
  }
}

/** `followed` are the targets by slot. */
function familiesOf(
  clock: Clock,
  { pageOf }: Columns<Page>,
  followed: readonly (WatchedTarget | undefined)[],
): Family[] {
  return [
    {
      name: 'porthole_target_up',
      type: 'gauge',
      help: `Whether the target is up. ${cached}`,
      read: (slot) => (wordAt(Status.options, pageOf(slot).status, rowOf(slot)) === 'up' ? 1 : 0),
    },
    {
      name: 'porthole_target_last_check_timestamp_seconds',
      type: 'gauge',
      help: 'When the last check of the target ended.',
      read: (slot) => pageOf(slot).endedAt[rowOf(slot)] as number,
      value: (instant) => timestampOf(clock.toEpoch(instant)),
    },
    {
      name: 'porthole_target_connect_seconds',
      type: 'gauge',
      help: 'Handshake time of the last check; absent when it got no answer.',
      read: (slot) => pageOf(slot).latencyMs[rowOf(slot)] as number,
      value: secondsOf,
    },
    {
      name: 'porthole_target_connect_seconds_total',
      type: 'counter',
      help: 'Sum of the handshake times of all successful checks, so that nothing between two scrapes is lost.',
      read: (slot) => followed[slot]?.connectMs ?? Number.NaN,
      value: secondsOf,
    },
    {
      name: 'porthole_target_checks_total',
      type: 'counter',
      help: 'Checks of the target that came to their end.',
      read: (slot) => followed[slot]?.checks ?? Number.NaN,
    },
    {
      name: 'porthole_target_failures_total',
      type: 'counter',
      help: "Checks that found the target down; Porthole's own faults are not among them.",
      read: (slot) => followed[slot]?.failures ?? Number.NaN,
    },
    {
      name: 'porthole_target_syn_retransmits_total',
      type: 'counter',
      help: 'SYNs that had to be sent again, where the prober can see them.',
      read: (slot) => followed[slot]?.synRetransmits ?? Number.NaN,
    },
    {
      name: 'porthole_target_down_reason',
      type: 'gauge',
      help: "Always 1: why the target is not up, by its last check's reason.",
      read: (slot) => pageOf(slot).reason[rowOf(slot)] || Number.NaN,
      value: () => 1,
      labels: (place) => ({ reason: Reason.options[place - 1] ?? '' }),
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
  const table = createTable()
  const columns = createColumns(createPage)
  /** Who is followed, by slot. */
  const followed: (WatchedTarget | undefined)[] = []
  // Only the kernel prober sees SYNs.
  const families = familiesOf(clock, columns, followed).filter(
    ({ name }) => !omit.has(name) && (prober === 'kernel' || name !== 'porthole_target_syn_retransmits_total'),
  )

  const has = (watched: WatchedTarget) => followed[watched.slot] === watched

  return {
    patch(watched, now) {
      const { slot, target, watchedService, health } = watched
      const { name, policy } = watchedService.service
      const page = columns.pageOf(slot)
      const row = rowOf(slot)
      if (!has(watched)) {
        followed[slot] = watched
        page.status[row] = 0
        table.add(slot, { service: name, target: target.name })
      }
      const { status } = statusAt(health, policy, now)
      const place = placeOf(Status.options, status)
      const hasChanged = place !== page.status[row]
      page.status[row] = place
      page.reason[row] = placeOf(Reason.options, reasonNotUp(health, policy, status))
      const { lastOutcome } = health
      const latencyMs = lastOutcome?.reason === 'connected' ? lastOutcome.latencyMs : null
      page.endedAt[row] = lastOutcome?.endedAt ?? Number.NaN
      page.latencyMs[row] = latencyMs ?? Number.NaN
      const until = readsSameUntil(health, policy, now)
      // Once it is stale, time changes nothing more of it: no series tells how old it is.
      page.until[row] = until > now ? until : Number.POSITIVE_INFINITY
      return hasChanged
    },
    remove(watched) {
      if (!has(watched)) return
      followed[watched.slot] = undefined
      table.remove(watched.slot)
    },
    has,
    stale: (now) =>
      followed.flatMap((watched, slot) => {
        const until = columns.pageOf(slot).until[rowOf(slot)] as number
        return watched !== undefined && until <= now ? watched : []
      }),
    pieces(selection) {
      const isWanted = (slot: number) => {
        const service = followed[slot]?.watchedService.service
        return service !== undefined && isSelected(selection, service)
      }
      return table.pieces(families, isNarrowed(selection) ? isWanted : null)
    },
  }
}
