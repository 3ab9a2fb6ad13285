import type { Clock } from '../clock.ts'
import { reasonNotUp } from '../domain/down-reason.ts'
import { readsSameUntil, statusAt } from '../domain/health.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import { Reason } from '../domain/outcome.ts'
import { Status } from '../domain/status.ts'
import { countColumn, nullableColumn, numberColumn, placeOf, rowOf, wordColumn, wordOf } from '../monitor/columns.ts'
import type { WatchedTarget } from '../monitor/watch.ts'
import { secondsOf, timestampOf } from './seconds.ts'
import { isNarrowed, isSelected, type Selection } from './selection.ts'
import { createTable } from './table.ts'
import type { Family } from './text-format.ts'

/** What the help of a gauge says that shows the last check. */
export const cached =
  'The last check said so, not one made for this scrape: porthole_target_last_check_timestamp_seconds tells when.'

/** What is kept of the targets of a page. */
type Page = ReturnType<typeof createPage>

function createPage() {
  return {
    status: wordColumn(),
    reason: wordColumn(),
    endedAt: nullableColumn(),
    latencyMs: nullableColumn(),
    connectMs: numberColumn(),
    checks: countColumn(),
    failures: countColumn(),
    synRetransmits: countColumn(),
    /** Until when it reads the same if no outcome comes in: an instant of the clock. */
    until: numberColumn(),
  }
}

function familiesOf(clock: Clock): Family<Page>[] {
  return [
    {
      name: 'porthole_target_up',
      type: 'gauge',
      help: `Whether the target is up. ${cached}`,
      column: ({ status }) => status,
      value: (place) => (wordOf(Status.options, place) === 'up' ? 1 : 0),
    },
    {
      name: 'porthole_target_last_check_timestamp_seconds',
      type: 'gauge',
      help: 'When the last check of the target ended.',
      column: ({ endedAt }) => endedAt,
      value: (instant) => timestampOf(clock.toEpoch(instant)),
    },
    {
      name: 'porthole_target_connect_seconds',
      type: 'gauge',
      help: 'Handshake time of the last check; absent when it got no answer.',
      column: ({ latencyMs }) => latencyMs,
      value: secondsOf,
    },
    {
      name: 'porthole_target_connect_seconds_total',
      type: 'counter',
      help: 'Sum of the handshake times of all successful checks, so that nothing between two scrapes is lost.',
      column: ({ connectMs }) => connectMs,
      value: secondsOf,
    },
    {
      name: 'porthole_target_checks_total',
      type: 'counter',
      help: 'Checks of the target that came to their end.',
      column: ({ checks }) => checks,
    },
    {
      name: 'porthole_target_failures_total',
      type: 'counter',
      help: "Checks that found the target down; Porthole's own faults are not among them.",
      column: ({ failures }) => failures,
    },
    {
      name: 'porthole_target_syn_retransmits_total',
      type: 'counter',
      help: 'SYNs that had to be sent again, where the prober can see them.',
      column: ({ synRetransmits }) => synRetransmits,
    },
    {
      name: 'porthole_target_down_reason',
      type: 'gauge',
      help: "Always 1: why the target is not up, by its last check's reason.",
      column: ({ reason }) => reason,
      none: 0,
      value: () => 1,
      labels: (place) => ({ reason: wordOf(Reason.options, place) ?? '' }),
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
  const table = createTable(createPage)
  /** Who is followed, by slot. */
  const followed: (WatchedTarget | undefined)[] = []
  // Only the kernel prober sees SYNs.
  const families = familiesOf(clock).filter(
    ({ name }) => !omit.has(name) && (prober === 'kernel' || name !== 'porthole_target_syn_retransmits_total'),
  )

  const has = (watched: WatchedTarget) => followed[watched.slot] === watched

  function follow(watched: WatchedTarget): void {
    const { slot, target, watchedService } = watched
    followed[slot] = watched
    table.add(slot, { service: watchedService.service.name, target: target.name })
  }

  return {
    patch(watched, now) {
      const { slot, watchedService, health } = watched
      const { policy } = watchedService.service
      const row = rowOf(slot)
      const isNew = !has(watched)
      if (isNew) follow(watched)
      const page = table.pageOf(slot) as Page
      const { status } = statusAt(health, policy, now)
      const place = placeOf(Status.options, status)
      const hasChanged = isNew || place !== page.status[row]
      page.status[row] = place
      page.reason[row] = placeOf(Reason.options, reasonNotUp(health, policy, status))
      const { lastOutcome } = health
      const latencyMs = lastOutcome?.reason === 'connected' ? lastOutcome.latencyMs : null
      page.endedAt[row] = lastOutcome?.endedAt ?? Number.NaN
      page.latencyMs[row] = latencyMs ?? Number.NaN
      page.connectMs[row] = watched.connectMs
      page.checks[row] = watched.checks
      page.failures[row] = watched.failures
      page.synRetransmits[row] = watched.synRetransmits
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
        const until = table.pageOf(slot)?.until[rowOf(slot)] ?? Number.POSITIVE_INFINITY
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
