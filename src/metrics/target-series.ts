import { reasonNotUp } from '../domain/check/down-reason.ts'
import { reasons, verdictOf } from '../domain/check/outcome.ts'
import { Status } from '../domain/health/status.ts'
import type { MetricFamily } from '../domain/values/metric-family.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { ColumnChunk } from '../monitor/state/column-chunk.ts'
import { enumColumn, enumOf, numberColumn, placeOf, rowOf } from '../monitor/state/columns.ts'
import { effectiveTargetStatus, type TargetState, targetStatusValidUntil } from '../monitor/state/state.ts'
import type { Clock } from '../runtime/clock.ts'
import type { TimeSlice } from '../runtime/time-slices.ts'
import { nanosecondsOf } from './nanoseconds.ts'
import type { Selection } from './selection.ts'
import { createTable } from './table.ts'
import type { Family } from './text-format.ts'

/** The end of the HELP text of gauges that show the last check. */
export const cached =
  'Shows the last check, because a scrape makes none: porthole_target_last_check_timestamp_seconds tells when it ended.'

/** The columns of a chunk of targets. */
type Chunk = ReturnType<typeof createChunk>

function createChunk(memory: ColumnChunk) {
  return {
    /** The monitor's own columns, which every outcome changes. */
    memory,
    status: enumColumn(),
    reason: enumColumn(),
    /** 1 while the look-up of the target's name fails. */
    lookupFailing: enumColumn(),
    /** The instant until which the effective status stays the same without a new outcome. */
    until: numberColumn(),
  }
}

function familiesOf(clock: Clock): Family<Chunk>[] {
  return [
    {
      name: 'porthole_target_up',
      type: 'gauge',
      help: `Whether the target is up. ${cached}`,
      column: ({ status }) => status,
      value: (place) => (enumOf(Status.options, place) === 'up' ? 1 : 0),
    },
    {
      name: 'porthole_target_last_check_timestamp_seconds',
      type: 'gauge',
      help: 'When the last check of the target ended.',
      column: ({ memory }) => memory.endedAt,
      value: (instant) => Math.round(clock.toEpoch(instant)),
      decimals: 3,
    },
    {
      name: 'porthole_target_connect_seconds',
      type: 'gauge',
      help: 'Handshake time of the last check; absent when it did not connect.',
      column: ({ memory }) => memory.latencyMs,
      hasLine: ({ memory }, row) => isUp[memory.reason[row] as number] === true,
      value: nanosecondsOf,
      decimals: 9,
    },
    {
      name: 'porthole_target_connect_seconds_total',
      type: 'counter',
      help: 'Sum of the handshake times of all checks that connected, also of those between two scrapes.',
      column: ({ memory }) => memory.connectMs,
      value: nanosecondsOf,
      decimals: 9,
    },
    {
      name: 'porthole_target_checks_total',
      type: 'counter',
      help: 'Checks of the target that ended.',
      column: ({ memory }) => memory.checks,
    },
    {
      name: 'porthole_target_failures_total',
      type: 'counter',
      help: "Checks of the target with the verdict down; Porthole's own faults do not count.",
      column: ({ memory }) => memory.failures,
    },
    {
      name: 'porthole_target_syn_retransmits_total',
      type: 'counter',
      help: 'SYNs that were sent again, where the prober can see them.',
      column: ({ memory }) => memory.synRetransmits,
    },
    {
      name: 'porthole_target_down_reason',
      type: 'gauge',
      help: "Always 1: why the target is not up, by its last check's reason.",
      column: ({ reason }) => reason,
      none: 0,
      value: () => 1,
      labels: (place) => ({ reason: enumOf(reasons, place) ?? '' }),
    },
    {
      name: 'porthole_target_lookup_failing',
      type: 'gauge',
      help: "Always 1: the look-up of the target's name fails, and succeeded before.",
      column: ({ lookupFailing }) => lookupFailing,
      none: 0,
    },
    {
      name: 'porthole_target_lookup_seconds_total',
      type: 'counter',
      help: "Total time that checks waited for look-ups of the target's name; absent for a literal address.",
      column: ({ memory }) => memory.lookupTotalMs,
      none: 0,
      value: nanosecondsOf,
      decimals: 9,
    },
  ]
}

/** Whether the check found its target up, by the value of a reason column. The first value stands for no reason. */
const isUp = [null, ...reasons].map((reason) => reason !== null && verdictOf(reason) === 'up')
/** The value of a status column for a target that is unknown. */
const unknownPlace = placeOf(Status.options, 'unknown')

/** The series of all targets. */
export type TargetSeries = {
  /** Adds a target, or updates it. Returns whether the counts of its service may have changed. */
  patch(state: TargetState, now: number): boolean
  remove(state: TargetState): void
  has(state: TargetState): boolean
  /** Iterates over the targets whose status was not confirmed for too long. A target that is removed during the iteration is left out. */
  stale(now: number): Iterable<TargetState>
  /** Yields the lines of the targets of selected services, or of all, in chunks. A chunk is valid until the next one is requested. */
  renderChunks(selection: Selection | null, slice: TimeSlice): AsyncIterable<Buffer>
  labelBytes(): number
}

/** Creates the series of targets, without the families in `omit`. */
export function createTargetSeries({
  monitor,
  clock,
  prober,
  omit,
}: {
  monitor: Pick<Monitor, 'targetAt' | 'chunkAt'>
  clock: Clock
  prober: 'kernel' | 'portable'
  omit: ReadonlySet<MetricFamily>
}): TargetSeries {
  const watchedIn = (slot: number) => monitor.targetAt(slot) as TargetState
  const table = createTable((slot) => createChunk(monitor.chunkAt(slot)), {
    service: (slot) => watchedIn(slot).serviceState.service.name,
    target: (slot) => watchedIn(slot).target.name,
  })
  // Only the kernel prober sees SYNs.
  const families = familiesOf(clock).filter(
    ({ name }) => !omit.has(name) && (prober === 'kernel' || name !== 'porthole_target_syn_retransmits_total'),
  )

  return {
    patch(state, now) {
      const { slot, serviceState, health } = state
      const { policy } = serviceState.service
      const row = rowOf(slot)
      const isNew = !table.has(slot)
      if (isNew) table.add(slot)
      const chunk = table.chunkOf(slot) as Chunk
      const { status } = effectiveTargetStatus(state, now)
      const place = placeOf(Status.options, status)
      const reason = placeOf(reasons, reasonNotUp(health, policy, status))
      // A pending target was left out of the counts. It counts as unknown after a check with the verdict unknown, or once its time is over.
      const wasPending = place === unknownPlace && (chunk.reason[row] !== reason || (chunk.until[row] as number) <= now)
      const hasChanged = isNew || place !== chunk.status[row] || wasPending
      chunk.status[row] = place
      chunk.reason[row] = reason
      chunk.lookupFailing[row] = health.lastOutcome?.lookupFailedSince == null ? 0 : 1
      const until = targetStatusValidUntil(state, now)
      // Once a target is stale, only an outcome can change its series, because no series shows its age.
      chunk.until[row] = until > now ? until : Number.POSITIVE_INFINITY
      return hasChanged
    },
    remove: ({ slot }) => table.remove(slot),
    has: ({ slot }) => table.has(slot),
    *stale(now) {
      for (const slot of table.slots(({ until }, row) => (until[row] as number) <= now)) yield watchedIn(slot)
    },
    renderChunks: (selection, slice) =>
      table.renderChunks(families, selection && ((slot) => selection.has(watchedIn(slot).serviceState.service)), slice),
    labelBytes: table.labelBytes,
  }
}
