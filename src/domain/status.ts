import { z } from 'zod'

/** The settled opinion. `degraded` is for services and groups only. */
export const Status = z.enum(['up', 'degraded', 'down', 'unknown'])
export type Status = z.infer<typeof Status>

/** What a service is reported as: its status, or `draining` while its operator has it out of service, whatever its targets say. */
export const ReportedStatus = z.enum([...Status.options, 'draining'])
export type ReportedStatus = z.infer<typeof ReportedStatus>

/** Every status that is reported, the worst first: what is drained is planned, so it comes after what is not, and before what is up. */
export const worstFirst: readonly ReportedStatus[] = ['down', 'unknown', 'degraded', 'draining', 'up']

/** How many services are reported as what. */
export type ReportedCounts = Record<ReportedStatus, number>

/** Counts of what is reported to begin with. */
export function noReportedCounts(): ReportedCounts {
  return { ...noCounts(), draining: 0 }
}

/** How many members of a service or group have each status. */
export type Counts = Record<Status, number>

/** Counts to begin with. */
export function noCounts(): Counts {
  return { up: 0, degraded: 0, down: 0, unknown: 0 }
}

/** Counts statuses. */
export function countStatuses(statuses: Iterable<Status>): Counts {
  const counts = noCounts()
  for (const status of statuses) counts[status]++
  return counts
}
