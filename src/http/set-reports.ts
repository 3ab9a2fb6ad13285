import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { drainedQuorum, type Quorum, statusOf, statusOfPart } from '../domain/quorum.ts'
import { noReportedCounts, type ReportedStatus, Status, worstFirst } from '../domain/status.ts'
import { serviceStatusAt, type WatchedService } from '../monitor/watch.ts'
import type { TimeSlice } from '../time-slices.ts'
import { workOf } from './chosen.ts'
import { reportedStatus, ServiceReport } from './reports.ts'

const count = z.int().nonnegative()

const SetCounts = z.object({
  up: count,
  degraded: count,
  down: count,
  unknown: count,
  draining: count.meta({ description: 'Left out of the quorum.' }),
})
export type SetCounts = z.infer<typeof SetCounts>

/** What the API shows of several services together. */
export const SetReport = z
  .object({
    status: Status,
    quorum: z.string(),
    counts: SetCounts,
    warnings: z.array(z.string()).meta({
      description:
        'That services may be missing, so that the set is not up; what in the request had no effect, a quorum that cannot be met because services are drained, and that this replica cannot reach the others.',
    }),
    services: z.array(ServiceReport).meta({ description: 'Those that are not up; with `?verbose` all.' }),
  })
  .meta({ id: 'SetReport' })
export type SetReport = z.infer<typeof SetReport>
/** It without the reports of its services. `missing` says that services may be missing; null where none is. */
export type SetSummary = Omit<SetReport, 'services'> & { readonly missing: string | null }

/** Says that a replica is alone; `why` is null where that is not known, or not for the client to see. */
function soloWarning(why: string | null): string {
  const cause = why === null ? '' : `: ${why}`
  return `solo: this replica cannot reach the others and checks everything itself, so they may see it otherwise${cause}`
}

/** Several services together, before any of them is reported. */
export type SetSurvey = {
  readonly counts: SetCounts
  /** Those that are to be reported, the worst first. */
  readonly listed: readonly Listed[]
  /** When the target checked longest ago was checked; null while one never was, or there is none. */
  readonly checkedAt: number | null
  /** One of them is checked by a replica that cannot reach the others. */
  readonly isSolo: boolean
  /** How many targets those that are to be reported have together. */
  readonly targetsListed: number
  /** How long the longest name of those that are to be reported is, in UTF-16 code units. */
  readonly longestName: number
}
export type Listed = { readonly watched: WatchedService; readonly status: ReportedStatus }

/**
 * Looks at several services: those that are not up are to be listed, with `verbose` all. Those that are drained count for nothing; those
 * that go while it looks are left out.
 */
export async function surveySet(
  services: readonly WatchedService[],
  {
    verbose,
    clock,
    isThere,
    slice,
    mayHaveGone = slice.hasYielded,
  }: {
    verbose: boolean
    clock: Clock
    /** Whether a service is still watched. */
    isThere: (watched: WatchedService) => boolean
    slice: TimeSlice
    /** Whether some may have gone since the services were chosen. */
    mayHaveGone?: boolean
  },
): Promise<SetSurvey> {
  const counts = noReportedCounts()
  const listed = new Map(worstFirst.map((status): [ReportedStatus, Listed[]] => [status, []]))
  let oldest = services.length === 0 ? null : Number.POSITIVE_INFINITY
  let isSolo = false
  let targetsListed = 0
  let longestName = 0
  let now = clock.now()
  for (const watched of services) {
    if (slice.mustYield(workOf(watched))) {
      await slice.yield()
      now = clock.now()
    }
    if ((mayHaveGone || slice.hasYielded) && !isThere(watched)) continue
    const status = reportedStatus(watched, serviceStatusAt(watched, now))
    counts[status]++
    if (verbose || status !== 'up') {
      listed.get(status)?.push({ watched, status })
      targetsListed += watched.targets.length
      longestName = Math.max(longestName, watched.service.name.length)
    }
    if (oldest !== null) oldest = olderOf(oldest, watched.checkedAt)
    isSolo ||= watched.checkedBy?.solo === true
  }
  return { counts, listed: [...listed.values()].flat(), checkedAt: oldest, isSolo, targetsListed, longestName }
}

/** Of two instants the older; null where one is not known. */
function olderOf(a: number, b: number | null): number | null {
  return b === null ? null : Math.min(a, b)
}

/** What is said of several services together; `missing` says that services may be missing from them, null that none is. */
export function summarizeSet(
  { counts, isSolo }: SetSurvey,
  {
    quorum,
    warnings,
    missing,
    whySolo = null,
  }: { quorum: Quorum; warnings: readonly string[]; missing: string | null; whySolo?: string | null },
): SetSummary {
  const { draining, ...inService } = counts
  const members = Object.values(counts).reduce((sum, count) => sum + count)
  const unmet = missing === null ? drainedQuorum(quorum, members, draining) : null
  return {
    status: missing === null ? statusOf(inService, quorum) : statusOfPart(inService, quorum),
    quorum: String(quorum),
    counts,
    missing,
    warnings: [
      ...(missing === null ? [] : [missing]),
      ...warnings,
      ...(unmet === null ? [] : [unmet]),
      ...(isSolo ? [soloWarning(whySolo)] : []),
    ],
  }
}

/** How many services have each status, in words; those that are drained are told of only if there are any. */
export function tellCounts({ up, degraded, down, unknown, draining }: SetCounts): string {
  const told = `${up} up, ${degraded} degraded, ${down} down, ${unknown} unknown`
  return draining === 0 ? told : `${told}, ${draining} draining`
}
