import { z } from 'zod'
import { noReportedCounts, type ReportedStatus, Status, worstFirst } from '../../domain/health/status.ts'
import { drainedQuorum, type Quorum, statusOf, statusOfPart } from '../../domain/service/quorum.ts'
import { effectiveServiceStatus, type ServiceState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlice } from '../../runtime/time-slices.ts'
import { reportedStatus, ServiceReport } from './reports.ts'
import { workOf } from './select-services.ts'

const count = z.int().nonnegative()

const SetCounts = z.object({
  up: count,
  degraded: count,
  down: count,
  unknown: count,
  draining: count.meta({ description: 'Left out of the quorum.' }),
})
export type SetCounts = z.infer<typeof SetCounts>

/** The report of a set of services in the API. */
export const SetReport = z
  .object({
    status: Status,
    quorum: z.string(),
    counts: SetCounts,
    warnings: z.array(z.string()).meta({
      description:
        'Sentences that say: services may be missing, so that the set is not up; a part of the request had no effect; the quorum cannot be met because services are drained; this replica cannot reach the others.',
    }),
    services: z.array(ServiceReport).meta({ description: 'The services that are not up; with `?verbose` all.' }),
  })
  .meta({ id: 'SetReport' })
export type SetReport = z.infer<typeof SetReport>
/** The report of a set without the reports of its services. `missing` is the sentence that services may be missing; null where none is. */
export type SetSummary = Omit<SetReport, 'services'> & { readonly missing: string | null }

/** Returns the warning that this replica is solo. `why` is null when the cause is unknown, or when the client may not see it. */
function soloWarning(why: string | null): string {
  const cause = why === null ? '' : `: ${why}`
  return `solo: this replica cannot reach the others and checks everything itself, so they may report another status${cause}`
}

/** The status of a set of services, before any of them is reported. */
export type SetStatus = {
  readonly counts: SetCounts
  /** The services to report, the worst first. */
  readonly listed: readonly Listed[]
  /** When the target with the oldest check was checked. Null while a target was never checked, or where there is none. */
  readonly checkedAt: number | null
  /** Whether a replica that cannot reach the others checks one of the services. */
  readonly isSolo: boolean
  /** The number of targets of all listed services. */
  readonly targetsListed: number
  /** The length of the longest name of a listed service, in UTF-16 code units. */
  readonly longestName: number
}
/** A service to report, with its status when the set was counted. */
export type Listed = { readonly state: ServiceState; readonly status: ReportedStatus }

/**
 * Computes the status of a set of services. Lists the services that are not up, and all of them with `verbose`. Drained services are counted
 * apart, as `draining`. Services that are removed during the loop are left out.
 */
export async function computeSetStatus(
  services: readonly ServiceState[],
  {
    verbose,
    clock,
    exists,
    slice,
    mayBeRemoved = slice.hasYielded,
  }: {
    verbose: boolean
    clock: Clock
    /** Returns whether a service still exists. */
    exists: (state: ServiceState) => boolean
    slice: TimeSlice
    /** Whether services may have been removed since they were selected. */
    mayBeRemoved?: boolean
  },
): Promise<SetStatus> {
  const counts = noReportedCounts()
  const listed = new Map(worstFirst.map((status): [ReportedStatus, Listed[]] => [status, []]))
  let oldest = services.length === 0 ? null : Number.POSITIVE_INFINITY
  let isSolo = false
  let targetsListed = 0
  let longestName = 0
  let now = clock.now()
  for (const state of services) {
    if (slice.mustYield(workOf(state))) {
      await slice.yield()
      now = clock.now()
    }
    if ((mayBeRemoved || slice.hasYielded) && !exists(state)) continue
    const status = reportedStatus(state, effectiveServiceStatus(state, now))
    counts[status]++
    if (verbose || status !== 'up') {
      listed.get(status)?.push({ state, status })
      targetsListed += state.targets.length
      longestName = Math.max(longestName, state.service.name.length)
    }
    if (oldest !== null) oldest = olderOf(oldest, state.checkedAt)
    isSolo ||= state.checkedBy?.solo === true
  }
  return { counts, listed: [...listed.values()].flat(), checkedAt: oldest, isSolo, targetsListed, longestName }
}

/** Returns the older of two instants; null where `b` is null. */
function olderOf(a: number, b: number | null): number | null {
  return b === null ? null : Math.min(a, b)
}

/** Returns the report of a set without its services. `missing` is the sentence that services may be missing; null where none is. */
export function summarizeSet(
  { counts, isSolo }: SetStatus,
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

/** Returns how many services have each status, in words. Drained services are named only if there are any. */
export function describeCounts({ up, degraded, down, unknown, draining }: SetCounts): string {
  const summary = `${up} up, ${degraded} degraded, ${down} down, ${unknown} unknown`
  return draining === 0 ? summary : `${summary}, ${draining} draining`
}
