import type { Health } from './health.ts'
import { type Reason, verdictOf } from './outcome.ts'
import type { Policy } from './policy.ts'

/** Why a target that reads like this is not up; null when it is, or nothing says why. */
export function reasonNotUp(health: Health, policy: Policy, status: Health['status']): Reason | null {
  if (status === 'up' || health.lastOutcome === null) return null
  const { reason } = health.lastOutcome
  const isStale = status !== health.status
  // While it rises, the last outcome is good, and what it was down for still holds.
  if (!isStale) return verdictOf(reason) === 'up' ? health.downReason : reason
  // That nobody asked is nobody's fault.
  if (policy.intervalMs === null) return null
  // What kept the checks from confirming anything; where they did, the schedule was not kept, and that is our own fault.
  return verdictOf(reason) === 'unknown' ? reason : 'local'
}
