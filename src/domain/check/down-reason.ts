import type { Health } from '../health/health.ts'
import type { Policy } from '../service/policy.ts'
import { type Reason, verdictOf } from './outcome.ts'

/** Returns why a target with this effective status is not up; null when it is up, or when no reason is known. */
export function reasonNotUp(health: Health, policy: Policy, status: Health['status']): Reason | null {
  if (status === 'up' || health.lastOutcome === null) return null
  const { reason } = health.lastOutcome
  const isStale = status !== health.status
  // During a rise the last outcome is good, so the reason is that of the last failure.
  if (!isStale) return verdictOf(reason) === 'up' ? health.downReason : reason
  // On demand a status goes stale because no client asks, which is not a fault.
  if (policy.intervalMs === null) return null
  // Either the checks could not judge the target, or the schedule is late. A late schedule is our own fault.
  return verdictOf(reason) === 'unknown' ? reason : 'local'
}
