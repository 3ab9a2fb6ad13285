import { z } from 'zod'

/** The status of a target, service or group. Only services and groups can be `degraded`. */
export const Status = z.enum(['up', 'degraded', 'down', 'unknown'])
export type Status = z.infer<typeof Status>

/** The status in reports: that of the service, or `draining` while an operator has taken the service out of use. */
export const ReportedStatus = z.enum([...Status.options, 'draining'])
export type ReportedStatus = z.infer<typeof ReportedStatus>

/** Every reported status, the worst first. A drain is planned, so it comes after all unplanned states. */
export const worstFirst: readonly ReportedStatus[] = ['down', 'unknown', 'degraded', 'draining', 'up']

/** How many services have each reported status. */
export type ReportedCounts = Record<ReportedStatus, number>

/** Returns zero for each reported status. */
export function noReportedCounts(): ReportedCounts {
  return { ...noCounts(), draining: 0 }
}

/** How many members of a service or group have each status. */
export type Counts = Record<Status, number>

/** Returns zero for each status. */
export function noCounts(): Counts {
  return { up: 0, degraded: 0, down: 0, unknown: 0 }
}

/** Returns how many members have each status. */
export function countStatuses(statuses: Iterable<Status>): Counts {
  const counts = noCounts()
  for (const status of statuses) counts[status]++
  return counts
}
