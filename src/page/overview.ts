import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { type Quorum, statusOf, statusOfPart } from '../domain/quorum.ts'
import {
  noReportedCounts,
  type ReportedCounts,
  type ReportedStatus,
  type Status,
  worstFirst,
} from '../domain/status.ts'
import { reportedStatus } from '../http/reports.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import { type ServiceStanding, standingOf, type WatchedService } from '../monitor/watch.ts'

/** A service among all others. */
export type Entry = {
  readonly watched: WatchedService
  readonly standing: ServiceStanding
  readonly status: ReportedStatus
}

export type GroupEntry = {
  readonly name: string
  readonly quorum: Quorum
  readonly status: Status
  readonly counts: Readonly<ReportedCounts>
}

/** How everything stood at one moment. */
export type Overview = {
  /** The worst first; what is not up, by when that began, the latest first; what is, by name. */
  readonly services: readonly Entry[]
  /** The worst first, then by name. */
  readonly groups: readonly GroupEntry[]
  readonly counts: Readonly<ReportedCounts>
  /** When the latest check of all ended; null while there was none. */
  readonly checkedAt: number | null
  /** This replica cannot reach the others, and checks everything itself. */
  readonly isSolo: boolean
  /** Why services may be missing, as it was when the look began; null where none is. */
  readonly pending: string | null
}

export type OverviewParts = {
  readonly monitor: Monitor
  readonly registry: Registry
  readonly log: TransitionLog
  readonly clock: Clock
}

/** How long what was seen is shown to everybody who asks, in milliseconds, unless something happens before. */
const keptMs = 1000
/** How much longer than it takes: however much happens and however many ask, it is a twentieth of the time at most. */
const keptAtLeast = 20

/** How many services are looked at in one turn of the event loop, each some 2 µs. */
const perTurn = 2000

/** Looks over everything, once for all who ask within a second. */
export function createOverview(parts: OverviewParts): { read(): Promise<Overview>; close(): void } {
  const { monitor, registry, log, clock } = parts
  let kept: { overview: Overview; readAt: number; tookMs: number } | null = null
  let hasChanged = false
  let reading: Promise<Overview> | null = null
  let names: readonly string[] | null = null
  const noteChange = () => {
    hasChanged = true
  }
  const stopListening = [
    log.logged.subscribe(noteChange),
    registry.changed.subscribe(() => {
      noteChange()
      names = null
    }),
  ]

  async function look(now: number): Promise<Overview> {
    hasChanged = false
    names ??= [...monitor.services.keys()].sort()
    const overview = await lookOver(names, { monitor, registry, pending: registry.load.pending(), now })
    kept = { overview, readAt: now, tookMs: clock.now() - now }
    return overview
  }

  return {
    async read() {
      // What began before may not have seen what happened since.
      while (reading !== null) await reading
      const now = clock.now()
      const age = kept === null ? Number.POSITIVE_INFINITY : now - kept.readAt
      // What was seen before the registry was read is not shown after that.
      if (kept !== null && kept.overview.pending !== null && registry.load.pending() === null) kept = null
      if (kept !== null && age < Math.max(hasChanged ? 0 : keptMs, keptAtLeast * kept.tookMs)) return kept.overview
      reading = look(now).finally(() => {
        reading = null
      })
      return reading
    },
    close() {
      for (const stop of stopListening) stop()
    },
  }
}

async function lookOver(
  names: readonly string[],
  {
    monitor,
    registry,
    pending,
    now,
  }: Pick<OverviewParts, 'monitor' | 'registry'> & {
    pending: string | null
    now: number
  },
): Promise<Overview> {
  const byStatus = new Map<ReportedStatus, Entry[]>(worstFirst.map((status) => [status, []]))
  const counts = noReportedCounts()
  const countsOf = new Map<string, ReportedCounts>()
  let checkedAt = Number.NEGATIVE_INFINITY
  let isSolo = false
  for (const [index, name] of names.entries()) {
    if (index % perTurn === perTurn - 1) await setImmediate()
    const watched = monitor.services.get(name)
    if (watched === undefined) continue
    const standing = standingOf(watched, now)
    const status = reportedStatus(watched, standing.status)
    byStatus.get(status)?.push({ watched, standing, status })
    counts[status]++
    isSolo ||= watched.checkedBy?.solo ?? false
    for (const { health } of watched.targets) checkedAt = Math.max(checkedAt, health.lastOutcome?.endedAt ?? checkedAt)
    for (const group of watched.service.groups) {
      const ofGroup = countsOf.get(group) ?? noReportedCounts()
      countsOf.set(group, ofGroup)
      ofGroup[status]++
    }
  }
  for (const [status, entries] of byStatus) {
    // Who was never checked comes last: there is nothing to see yet.
    const since = ({ standing }: Entry) => standing.since ?? Number.NEGATIVE_INFINITY
    if (status !== 'up') entries.sort((a, b) => Math.sign(since(b) - since(a)) || 0)
  }
  return {
    services: worstFirst.flatMap((status) => byStatus.get(status) ?? []),
    groups: groupsOf(countsOf, registry, pending !== null),
    counts,
    checkedAt: Number.isFinite(checkedAt) ? checkedAt : null,
    isSolo,
    pending,
  }
}

function groupsOf(countsOf: ReadonlyMap<string, ReportedCounts>, registry: Registry, isPart: boolean): GroupEntry[] {
  const judge = isPart ? statusOfPart : statusOf
  const groups = [...countsOf].map(([name, counts]) => {
    const quorum = registry.groups.get(name)?.quorum ?? 'all'
    return { name, quorum, status: judge(counts, quorum), counts }
  })
  const rank = ({ status }: GroupEntry) => worstFirst.indexOf(status)
  return groups.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}
