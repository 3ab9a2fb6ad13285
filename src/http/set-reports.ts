import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { drainedQuorum, type Quorum, statusOf } from '../domain/quorum.ts'
import { countStatuses, Status, worstFirst } from '../domain/status.ts'
import { standingOf, type WatchedService } from '../monitor/watch.ts'
import { reportedStatus, reportService, ServiceReport } from './reports.ts'

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
        'What in the request had no effect, a quorum that cannot be met because services are drained, and that this replica cannot reach the others.',
    }),
    services: z.array(ServiceReport).meta({ description: 'Those that are not up; with `?verbose` all.' }),
  })
  .meta({ id: 'SetReport' })
export type SetReport = z.infer<typeof SetReport>

const soloWarning =
  'solo: this replica cannot reach the others and checks everything itself, so they may see it otherwise'

type SetReportOptions = { quorum: Quorum; verbose: boolean; details: boolean; warnings: string[]; clock: Clock }

/** The report of several services together, the worst first. Those that are drained are listed, and count for nothing. */
export function reportSet(
  watched: readonly WatchedService[],
  { quorum, verbose, details, warnings, clock }: SetReportOptions,
): SetReport {
  const now = clock.now()
  const members = watched.map((service) => {
    const standing = standingOf(service, now)
    return { service, standing, status: reportedStatus(service, standing) }
  })
  const inService = members.filter(({ service }) => !service.drained)
  const draining = members.length - inService.length
  const counts = countStatuses(inService.map(({ standing }) => standing.status))
  const services = members
    .filter(({ status }) => verbose || status !== 'up')
    .sort((a, b) => worstFirst.indexOf(a.status) - worstFirst.indexOf(b.status))
    .map(({ service, standing }) => reportService(service, clock, { now, standing, details }))
  const isSolo = watched.some(({ checkedBy }) => checkedBy?.solo)
  const unmet = drainedQuorum(quorum, members.length, draining)
  return {
    status: statusOf(counts, quorum),
    quorum: String(quorum),
    counts: { ...counts, draining },
    warnings: [...warnings, ...(unmet === null ? [] : [unmet]), ...(isSolo ? [soloWarning] : [])],
    services,
  }
}

/** How many services have each status, in words; those that are drained are told of only if there are any. */
export function tellCounts({ up, degraded, down, unknown, draining }: SetCounts): string {
  const told = `${up} up, ${degraded} degraded, ${down} down, ${unknown} unknown`
  return draining === 0 ? told : `${told}, ${draining} draining`
}
