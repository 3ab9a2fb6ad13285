import { effectiveStatus, type Health, statusValidUntil } from '../../domain/health/health.ts'
import { noPauses, type Pauses } from '../../domain/health/pause.ts'
import { isPending, pendingUntil } from '../../domain/health/pending.ts'
import { type Counts, noCounts } from '../../domain/health/status.ts'
import type { Policy } from '../../domain/service/policy.ts'

/**
 * The status counts of a service: how many of its targets have each status. The counts are cached and updated with each outcome. Otherwise each
 * outcome would count all targets, and a service with 10,000 targets would leave no time for other work.
 */
export type StatusCounts = {
  readonly counts: Counts
  /** How many targets are not in the counts, because they were added and are not checked yet. */
  pending: number
  /** The instant at which the statuses are counted. */
  readonly at: number
  /** Until when no target changes its status, if no outcome comes in. */
  until: number
}

/**
 * The shortest time for which counts are cached, in milliseconds, even if a target goes stale in that time. Under overload, or while no check
 * confirms anything, one target after another goes stale. Counting all targets for each of them would leave no time for other work.
 */
const leastMs = 1000

/** Counts all targets by their effective status at `now`. */
export function countTargets(
  targets: Iterable<{ readonly health: Health }>,
  policy: Policy,
  now: number,
  pauses: Pauses = noPauses,
): StatusCounts {
  const statusCounts: StatusCounts = { counts: noCounts(), pending: 0, at: now, until: Number.POSITIVE_INFINITY }
  for (const { health } of targets) count(statusCounts, health, policy, pauses)
  return statusCounts
}

/** Returns until when cached counts are valid, if no outcome comes in: until a target goes stale, and for at least one second. */
export function validUntil(statusCounts: StatusCounts): number {
  return Math.max(statusCounts.until, statusCounts.at + leastMs)
}

/** Returns whether cached counts are valid at `now`. */
export function isCurrent(statusCounts: StatusCounts, now: number): boolean {
  return statusCounts.at <= now && now < validUntil(statusCounts)
}

/** Updates the counts after the health of one target changed. */
export function updateCounts(
  statusCounts: StatusCounts,
  before: Health,
  after: Health,
  policy: Policy,
  pauses: Pauses = noPauses,
): void {
  add(statusCounts, before, policy, pauses, -1)
  count(statusCounts, after, policy, pauses)
}

function count(statusCounts: StatusCounts, health: Health, policy: Policy, pauses: Pauses): void {
  add(statusCounts, health, policy, pauses, 1)
  const until = countValidUntil(health, policy, statusCounts.at, pauses)
  // Time changes nothing more for a target that is unknown because it is stale, or because its first check never came.
  if (until > statusCounts.at) statusCounts.until = Math.min(statusCounts.until, until)
}

function add(statusCounts: StatusCounts, health: Health, policy: Policy, pauses: Pauses, by: 1 | -1): void {
  if (isPending(health, policy, statusCounts.at, pauses)) statusCounts.pending += by
  else statusCounts.counts[effectiveStatus(health, policy, statusCounts.at, pauses).status] += by
}

/** Returns until when a target counts as it does now, if no outcome comes in; `now` once it is stale. */
export function countValidUntil(health: Health, policy: Policy, now: number, pauses: Pauses = noPauses): number {
  const until = pendingUntil(health, policy, now, pauses)
  return now < until ? until : statusValidUntil(health, policy, now, pauses)
}
