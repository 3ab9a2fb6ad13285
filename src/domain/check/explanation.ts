import { effectiveStatus, type Health } from '../health/health.ts'
import { noPauses, type Pauses } from '../health/pause.ts'
import { isPending } from '../health/pending.ts'
import type { Policy } from '../service/policy.ts'
import type { Target } from '../target/target.ts'
import { diagnose, formatSpan } from './diagnosis.ts'

/** Returns one sentence for people that explains the effective status of a target at `now`. */
export function explain(
  health: Health,
  policy: Policy,
  target: Target,
  now: number,
  pauses: Pauses = noPauses,
): string {
  if (health.lastOutcome === null && policy.unread.length > 0)
    return `not checked by this replica: its version of Porthole cannot read ${policy.unread.join(', ')} of the service, and leaves it to replicas that can`
  if (health.lastOutcome === null) {
    if (policy.intervalMs === null) return 'only checked when asked, and not asked yet'
    return isPending(health, policy, now, pauses)
      ? 'added, not checked yet: it counts after its first check'
      : 'not checked yet'
  }
  const sentence = diagnose(health.lastOutcome, target)
  const isStale = health.confirmedAt !== null && effectiveStatus(health, policy, now, pauses).status !== health.status
  if (!isStale) return sentence
  return `${health.status} when last confirmed ${formatSpan(now - (health.confirmedAt ?? now))} ago, which is too long ago; last check: ${sentence}`
}
