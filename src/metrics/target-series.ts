import type { Clock } from '../clock.ts'
import { reasonNotUp } from '../domain/down-reason.ts'
import { type Health, readsSameUntil, statusAt } from '../domain/health.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import type { Reason } from '../domain/outcome.ts'
import type { WatchedTarget } from '../monitor/watch.ts'
import { createTable, type Row } from './table.ts'
import type { Family } from './text-format.ts'

/** What the help of a gauge says that shows the last check. */
export const cached =
  'The last check said so, not one made for this scrape: porthole_target_last_check_timestamp_seconds tells when.'

const families = [
  { name: 'porthole_target_up', type: 'gauge', width: 1, help: `Whether the target is up. ${cached}` },
  {
    name: 'porthole_target_last_check_timestamp_seconds',
    type: 'gauge',
    width: 24,
    help: 'When the last check of the target ended.',
  },
  {
    name: 'porthole_target_connect_seconds',
    type: 'gauge',
    width: 24,
    help: 'Handshake time of the last check; absent when it got no answer.',
  },
  {
    name: 'porthole_target_connect_seconds_total',
    type: 'counter',
    width: 24,
    help: 'Sum of the handshake times of all successful checks, so that nothing between two scrapes is lost.',
  },
  {
    name: 'porthole_target_checks_total',
    type: 'counter',
    width: 16,
    help: 'Checks of the target that came to their end.',
  },
  {
    name: 'porthole_target_failures_total',
    type: 'counter',
    width: 16,
    help: "Checks that found the target down; Porthole's own faults are not among them.",
  },
  {
    name: 'porthole_target_syn_retransmits_total',
    type: 'counter',
    width: 16,
    help: 'SYNs that had to be sent again, where the prober can see them.',
  },
] as const satisfies Family[]

const downReason = {
  name: 'porthole_target_down_reason',
  type: 'gauge',
  width: 1,
  help: "Always 1: why the target is not up, by its last check's reason.",
} as const satisfies Family

/** The series of a target, as they stand. */
type Entry = {
  readonly row: Row
  /** Why it is not up, with its line; null while it is up, or nothing says why. */
  down: { readonly reason: Reason; readonly row: Row } | null
  /** Until when they read the same if no outcome comes in: an instant of the clock. */
  until: number
  status: Health['status']
  /** What is written of numbers that seldom change. */
  failures: number
  synRetransmits: number
}

function unwritten(row: Row): Entry {
  return { row, down: null, until: 0, status: 'unknown', failures: -1, synRetransmits: -1 }
}

/** The series of all targets. */
export type TargetSeries = {
  /** Follows a target from now on, or brings it up to date. Returns whether its status reads otherwise than before. */
  patch(watched: WatchedTarget, now: number): boolean
  remove(watched: WatchedTarget): void
  has(watched: WatchedTarget): boolean
  all(): Iterable<WatchedTarget>
  /** Those that may read otherwise by now, as nothing has confirmed them for too long. */
  stale(now: number): Iterable<WatchedTarget>
  /** All lines, or those of some targets, in pieces; whoever asks for more waits. */
  pieces(targets: readonly WatchedTarget[] | null): Iterable<Buffer>
}

/** Lays out the series of targets, less the families in `omit`. */
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
  const isThere = ({ name }: Family) =>
    !omit.has(name) && (prober === 'kernel' || name !== 'porthole_target_syn_retransmits_total')
  const kept = families.filter(isThere)
  const table = createTable(kept)
  const reasons = isThere(downReason) ? createTable([downReason]) : null
  const placeOf = new Map<string, number>(kept.map(({ name }, place) => [name, place]))
  const entries = new Map<WatchedTarget, Entry>()

  const labelsOf = ({ watchedService, target }: WatchedTarget) => ({
    service: watchedService.service.name,
    target: target.name,
  })

  function set(row: Row, name: (typeof families)[number]['name'], value: number | null): void {
    const place = placeOf.get(name)
    if (place !== undefined) table.set(row, place, value)
  }

  function write(entry: Entry, { health, checks, failures, connectMs, synRetransmits }: WatchedTarget): void {
    const { row } = entry
    const { lastOutcome } = health
    const latencyMs = lastOutcome?.reason === 'connected' ? lastOutcome.latencyMs : null
    set(
      row,
      'porthole_target_last_check_timestamp_seconds',
      lastOutcome === null ? null : clock.toEpoch(lastOutcome.endedAt) / 1000,
    )
    set(row, 'porthole_target_connect_seconds', latencyMs === null ? null : latencyMs / 1000)
    set(row, 'porthole_target_connect_seconds_total', connectMs / 1000)
    set(row, 'porthole_target_checks_total', checks)
    if (failures !== entry.failures) set(row, 'porthole_target_failures_total', failures)
    if (synRetransmits !== entry.synRetransmits) set(row, 'porthole_target_syn_retransmits_total', synRetransmits)
    entry.failures = failures
    entry.synRetransmits = synRetransmits
  }

  function writeReason(entry: Entry, watched: WatchedTarget): void {
    const reason = reasonNotUp(watched.health, watched.watchedService.service.policy, entry.status)
    if (reasons === null || reason === (entry.down?.reason ?? null)) return
    if (entry.down !== null) reasons.remove(entry.down.row)
    entry.down = reason === null ? null : { reason, row: reasons.add({ ...labelsOf(watched), reason }) }
    if (entry.down !== null) reasons.set(entry.down.row, 0, 1)
  }

  return {
    patch(watched, now) {
      const { policy } = watched.watchedService.service
      const { status } = statusAt(watched.health, policy, now)
      const known = entries.get(watched)
      const entry = known ?? unwritten(table.add(labelsOf(watched)))
      if (known === undefined) entries.set(watched, entry)
      const hasChanged = known === undefined || status !== entry.status
      entry.status = status
      const until = readsSameUntil(watched.health, policy, now)
      // Once it is stale, time changes nothing more of it: no series tells how old it is.
      entry.until = until > now ? until : Number.POSITIVE_INFINITY
      if (hasChanged) set(entry.row, 'porthole_target_up', status === 'up' ? 1 : 0)
      write(entry, watched)
      if (status !== 'up' || entry.down !== null) writeReason(entry, watched)
      return hasChanged
    },
    remove(watched) {
      const entry = entries.get(watched)
      if (entry === undefined) return
      entries.delete(watched)
      table.remove(entry.row)
      if (entry.down !== null) reasons?.remove(entry.down.row)
      entry.down = null
    },
    has: (watched) => entries.has(watched),
    all: () => entries.keys(),
    *stale(now) {
      for (const [watched, { until }] of entries) if (until <= now) yield watched
    },
    *pieces(targets) {
      const chosen = targets?.flatMap((watched) => entries.get(watched) ?? []) ?? null
      const rows = chosen?.map(({ row }) => row) ?? null
      for (const place of kept.keys()) yield* rows === null ? table.pieces(place) : table.piecesOf(place, rows)
      if (reasons === null) return
      const down = chosen?.flatMap((entry) => entry.down?.row ?? []) ?? null
      yield* down === null ? reasons.pieces(0) : reasons.piecesOf(0, down)
    },
  }
}
