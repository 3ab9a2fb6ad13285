import {
  noReportedCounts,
  type ReportedCounts,
  type ReportedStatus,
  type Status,
  worstFirst,
} from '../../domain/health/status.ts'
import { type Quorum, statusOf, statusOfPart } from '../../domain/service/quorum.ts'
import { reportedStatus } from '../../http/health/reports.ts'
import type { NameOrder } from '../../http/services/name-order.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import { type CurrentStatus, currentStatusOf, type ServiceState } from '../../monitor/state/state.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { Clock } from '../../runtime/clock.ts'
import { sortInSlices } from '../../runtime/sort-in-slices.ts'
import type { TimeSlice, TimeSlices } from '../../runtime/time-slices.ts'

/** A service of the overview. */
export type Entry = {
  readonly state: ServiceState
  readonly current: CurrentStatus
  readonly status: ReportedStatus
}

/** A group of the overview. `counts` are the statuses of its services. */
export type GroupEntry = {
  readonly name: string
  readonly quorum: Quorum
  readonly status: Status
  readonly counts: Readonly<ReportedCounts>
}

/** The status of all services and groups at one moment. */
export type Overview = {
  /** Sorted by status, the worst first. Services that are not up are sorted by their last change, the latest first; others by name. */
  readonly services: readonly Entry[]
  /** Sorted by status, the worst first, then by name. */
  readonly groups: readonly GroupEntry[]
  readonly counts: Readonly<ReportedCounts>
  /** The instant of the clock at which the latest check of any service ended; null before the first check. */
  readonly checkedAt: number | null
  /** Whether this replica cannot reach the others, and checks everything itself. */
  readonly isSolo: boolean
  /** Why services may be missing, as of the start of the computation; null where none is missing. */
  readonly pending: string | null
}

export type OverviewParts = {
  readonly names: NameOrder
  readonly slices: TimeSlices
  readonly monitor: Monitor
  readonly registry: Registry
  readonly log: TransitionLog
  readonly clock: Clock
}

/** How long an overview is cached, in milliseconds, unless a status or the registry changes. */
const keptMs = 1000
/** An overview is cached for at least 20 times as long as it took to compute. So overviews take at most a twentieth of the time. */
const keptAtLeast = 20

/** The work of counting the targets of a service, where looking at a service is 1. */
const workPerService = 5

/** Creates the overview of all services. All requests within one second share one overview, because computing it looks at every service. */
export function createOverview(parts: OverviewParts): { read(): Promise<Overview>; close(): void } {
  const { monitor, registry, names, slices, log, clock } = parts
  let kept: { overview: Overview; readAt: number; tookMs: number } | null = null
  let hasChanged = false
  let reading: Promise<Overview> | null = null
  const recordChange = () => {
    hasChanged = true
  }
  const stopListening = [log.logged.subscribe(recordChange), registry.changed.subscribe(recordChange)]

  async function refreshOverview(now: number): Promise<Overview> {
    hasChanged = false
    const pending = registry.load.pending()
    // Several requests may wait for the result, so the computation continues when one client disconnects.
    const slice = slices.begin()
    const overview = await computeOverview(await names.read(), { monitor, registry, pending, now, slice })
    kept = { overview, readAt: now, tookMs: clock.now() - now }
    return overview
  }

  return {
    async read() {
      // A computation that is under way may have missed the latest changes.
      while (reading !== null) await reading
      const now = clock.now()
      const age = kept === null ? Number.POSITIVE_INFINITY : now - kept.readAt
      // Once the registry was read, an overview from before is outdated.
      if (kept !== null && kept.overview.pending !== null && registry.load.pending() === null) kept = null
      if (kept !== null && age < Math.max(hasChanged ? 0 : keptMs, keptAtLeast * kept.tookMs)) return kept.overview
      reading = refreshOverview(now).finally(() => {
        reading = null
      })
      return reading
    },
    close() {
      for (const stop of stopListening) stop()
    },
  }
}

async function computeOverview(
  names: readonly string[],
  {
    monitor,
    registry,
    pending,
    now,
    slice,
  }: Pick<OverviewParts, 'monitor' | 'registry'> & {
    pending: string | null
    now: number
    slice: TimeSlice
  },
): Promise<Overview> {
  const byStatus = new Map<ReportedStatus, Entry[]>(worstFirst.map((status) => [status, []]))
  const counts = noReportedCounts()
  const countsOf = new Map<string, ReportedCounts>()
  let checkedAt = Number.NEGATIVE_INFINITY
  let isSolo = false
  for (const name of names) {
    if (slice.mustYield(workPerService)) await slice.yield()
    const state = monitor.services.get(name)
    if (state === undefined) continue
    const current = currentStatusOf(state, now)
    const status = reportedStatus(state, current.status)
    byStatus.get(status)?.push({ state, current, status })
    counts[status]++
    isSolo ||= state.checkedBy?.solo ?? false
    for (const { health } of state.targets) checkedAt = Math.max(checkedAt, health.lastOutcome?.endedAt ?? checkedAt)
    for (const group of state.service.groups) {
      const ofGroup = countsOf.get(group) ?? noReportedCounts()
      countsOf.set(group, ofGroup)
      ofGroup[status]++
    }
    if (slice.mustYield(state.targets.length + state.service.groups.length)) await slice.yield()
  }
  for (const [status, entries] of byStatus) {
    // Services that were never checked come last, because there is nothing to see yet.
    const since = ({ current }: Entry) => current.since ?? Number.NEGATIVE_INFINITY
    if (status === 'up') continue
    byStatus.set(status, await sortInSlices(entries, (a, b) => Math.sign(since(b) - since(a)) || 0, slice))
  }
  return {
    services: worstFirst.flatMap((status) => byStatus.get(status) ?? []),
    groups: await groupsOf(countsOf, registry, pending !== null, slice),
    counts,
    checkedAt: Number.isFinite(checkedAt) ? checkedAt : null,
    isSolo,
    pending,
  }
}

async function groupsOf(
  countsOf: ReadonlyMap<string, ReportedCounts>,
  registry: Registry,
  isPart: boolean,
  slice: TimeSlice,
): Promise<GroupEntry[]> {
  const judge = isPart ? statusOfPart : statusOf
  const groups: GroupEntry[] = []
  for (const [name, counts] of countsOf) {
    if (slice.mustYield()) await slice.yield()
    const quorum = registry.groups.get(name)?.quorum ?? 'all'
    groups.push({ name, quorum, status: judge(counts, quorum), counts })
  }
  const rank = ({ status }: GroupEntry) => worstFirst.indexOf(status)
  return sortInSlices(groups, (a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1), slice)
}
