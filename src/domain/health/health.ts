import { type Outcome, type Reason, verdictOf } from '../check/outcome.ts'
import type { Policy } from '../service/policy.ts'
import { noPauses, type Pauses, pausedMs } from './pause.ts'

/** The state of a target between checks. Times are instants of the monotonic clock, in milliseconds. */
export type Health = {
  readonly status: 'up' | 'down' | 'unknown'
  /**
   * When the status last changed, or was confirmed again after it was stale; null before the first verdict. For a target that joined its service
   * later and was never checked, when it joined.
   */
  readonly since: number | null
  /** How many verdicts in a row agree with the last one. An unknown verdict neither counts nor breaks the streak. */
  readonly streak: { readonly verdict: 'up' | 'down'; readonly count: number } | null
  /**
   * When a verdict last confirmed the status. Any verdict but unknown does, until the status is stale; then only a verdict that agrees does.
   * After a verdict that disagrees with a stale status this may be an earlier instant, so that a longer interval cannot make it trusted again.
   */
  readonly confirmedAt: number | null
  readonly lastOutcome: Outcome | null
  /** The reason of the last failed check; null before the first failed check, and once a passed check leaves the status up. */
  readonly downReason: Reason | null
}

/** The health of a target that has never been checked. */
export const neverChecked: Health = {
  status: 'unknown',
  since: null,
  streak: null,
  confirmedAt: null,
  lastOutcome: null,
  downReason: null,
}

/**
 * Returns the health after an outcome. From unknown the first verdict sets the status. After that, `rise` or `fall` verdicts in a row change
 * it. The same applies to a stale status, because one lost packet after late checks must not make a target down. A stale status remains
 * reported as unknown until a verdict agrees with it or enough verdicts change it. On demand, where a status is often old, the first verdict
 * replaces a stale status. An outcome that is older than the last one is ignored, and the same health is returned.
 */
export function nextHealth(health: Health, outcome: Outcome, policy: Policy, pauses: Pauses = noPauses): Health {
  if (health.lastOutcome !== null && outcome.endedAt < health.lastOutcome.endedAt) return health
  const verdict = verdictOf(outcome.reason)
  if (verdict === 'unknown') return { ...health, lastOutcome: outcome }

  const wasStale = isStale(health, policy, outcome.endedAt, pauses)
  const before = wasStale && policy.intervalMs === null ? neverChecked : health
  const count = before.streak?.verdict === verdict ? before.streak.count + 1 : 1
  const turns =
    before.status === 'unknown' ||
    (verdict !== before.status && count >= (verdict === 'up' ? policy.rise : policy.fall))
  const status = turns ? verdict : before.status
  const next = {
    status,
    // A pause of this process is not a change of the target, so `since` stays.
    since:
      turns || (wasStale && verdict === status && !isExcused(health, policy, outcome.endedAt, pauses))
        ? outcome.endedAt
        : before.since,
    streak: { verdict, count },
    confirmedAt: outcome.endedAt,
    lastOutcome: outcome,
    downReason: verdict === 'down' ? outcome.reason : status === 'up' ? null : before.downReason,
  }
  if (!wasStale || verdict === status) return next
  // A stale status stays stale. The interval that applies from now on may be longer, so the instant is moved back far enough.
  const staleAt = outcome.endedAt - staleAfterMs(next, policy) * (pauses.ofChecks.length === 0 ? 1 : 2)
  return { ...next, confirmedAt: Math.min(before.confirmedAt ?? staleAt, staleAt) }
}

/** The kinds of interval in a policy. */
export const IntervalKind = ['intervalMs', 'fastIntervalMs', 'downIntervalMs'] as const satisfies (keyof Policy)[]
export type IntervalKind = (typeof IntervalKind)[number]

/** Returns the kind of interval that applies now. A streak against the status takes the fast one, a target that is down the one for down. */
export function intervalKindOf({ status, streak }: Health): IntervalKind {
  if (status !== 'unknown' && streak !== null && streak.verdict !== status) return 'fastIntervalMs'
  return status === 'down' ? 'downIntervalMs' : 'intervalMs'
}

/** Returns the length of an interval in milliseconds; null where this replica schedules no checks: on demand, or when it cannot read the policy. */
export function intervalAt(intervalKind: IntervalKind, policy: Policy): number | null {
  return policy.intervalMs === null || policy.unread.length > 0 ? null : policy[intervalKind]
}

/** Returns the length of the interval that applies now, in milliseconds; null as for `intervalAt`. */
export function checkIntervalMs(health: Health, policy: Policy): number | null {
  return intervalAt(intervalKindOf(health), policy)
}

/**
 * Returns how long a status is trusted without a new verdict, in milliseconds: three intervals, a timeout and, with several replicas, the
 * time of a hand-over. The interval is the regular one, or the one that applies now if that is longer. On demand the interval is the
 * age below which a request starts no new check.
 */
export function staleAfterMs(health: Health, policy: Policy): number {
  const intervalMs =
    policy.intervalMs === null
      ? Math.max(policy.maxAgeMs, policy.minAgeMs)
      : Math.max(policy.intervalMs, policy[intervalKindOf(health)] ?? 0)
  return 3 * intervalMs + policy.timeoutMs + policy.handoverMs
}

/**
 * Returns the instant until which a status is trusted, as seen at `now`. A pause extends that time by its length, because no check could
 * confirm the status. All pauses since the last verdict together at most double the time.
 */
function trustedUntil(health: Health, policy: Policy, now: number, pauses: Pauses): number {
  if (health.confirmedAt === null) return Number.POSITIVE_INFINITY
  const trustMs = staleAfterMs(health, policy)
  const until = health.confirmedAt + trustMs
  // The fast path: pauses matter only to a status that is older.
  if (now < until || pauses.ofChecks.length === 0) return until
  return until + Math.min(trustMs, pausedMs(pauses.ofChecks, health.confirmedAt, now))
}

function isStale(health: Health, policy: Policy, now: number, pauses: Pauses): boolean {
  return now >= trustedUntil(health, policy, now, pauses)
}

/**
 * Returns whether a status is stale only because this process did not run. Such a status is reported as unknown, but no transition is recorded:
 * the log has a gap instead. The excuse ends once the process has run for the full time of trust without a confirmation.
 * A prober that stops while the rest of the process runs is no excuse.
 */
export function isExcused(health: Health, policy: Policy, now: number, pauses: Pauses): boolean {
  if (pauses.ofProcess.length === 0 || health.confirmedAt === null || !isStale(health, policy, now, pauses))
    return false
  const ranMs = now - health.confirmedAt - pausedMs(pauses.ofProcess, health.confirmedAt, now)
  return ranMs < staleAfterMs(health, policy)
}

/**
 * Returns whether a request for an outcome no older than `maxAgeMs` needs a new check. With null the policy decides on demand, and a scheduled
 * target needs none. A target is not dialled again within its `minAge`, and never where this version cannot read its policy.
 */
export function isTooOld(health: Health, policy: Policy, maxAgeMs: number | null, now: number): boolean {
  if (policy.unread.length > 0) return false
  const wanted = maxAgeMs ?? (policy.intervalMs === null ? policy.maxAgeMs : Number.POSITIVE_INFINITY)
  if (wanted === Number.POSITIVE_INFINITY) return false
  if (health.lastOutcome === null) return true
  // On demand there is no scheduled check to replace a stale status, so the request has to.
  const most = policy.intervalMs === null ? staleAfterMs(health, policy) : wanted
  return now - health.lastOutcome.endedAt > Math.max(Math.min(wanted, most), policy.minAgeMs)
}

/**
 * Returns the effective status at `now`, and since when it holds. A status that was not confirmed for too long is reported as `unknown`.
 * Otherwise a checker that stopped would look healthy.
 */
export function effectiveStatus(
  health: Health,
  policy: Policy,
  now: number,
  pauses: Pauses = noPauses,
): Pick<Health, 'status' | 'since'> {
  const until = trustedUntil(health, policy, now, pauses)
  return now < until ? health : { status: 'unknown', since: until }
}

/**
 * Returns the instant until which a report of this health may be cached if no outcome arrives. For a stale status that is `now`, because its
 * report states its age.
 */
export function statusValidUntil(health: Health, policy: Policy, now: number, pauses: Pauses = noPauses): number {
  return Math.max(now, trustedUntil(health, policy, now, pauses))
}
