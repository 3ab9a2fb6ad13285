import { type Outcome, type Reason, verdictOf } from './outcome.ts'
import { noPauses, type Pauses, pausedMs } from './pause.ts'
import type { Policy } from './policy.ts'

/** What is remembered of a target between checks. Times are instants of the monotonic clock, in milliseconds. */
export type Health = {
  readonly status: 'up' | 'down' | 'unknown'
  /** When the status settled; null while nothing ever did. Of a target that joined a service and was not checked yet, when it joined. */
  readonly since: number | null
  /** The verdicts in a row that agree with the last one; an unknown verdict neither counts nor breaks it. */
  readonly streak: { readonly verdict: 'up' | 'down'; readonly count: number } | null
  /**
   * When the last verdict came in that the status can be believed by: any that was not unknown, or, once stale, one that agrees with it.
   * Earlier where that alone would have it believed again, as a longer interval applies by now.
   */
  readonly confirmedAt: number | null
  readonly lastOutcome: Outcome | null
  /** Why it was last found down, for as long as it is not up again; null when it is up. */
  readonly downReason: Reason | null
}

/** The health of a target that has never been checked. */
export const unchecked: Health = {
  status: 'unknown',
  since: null,
  streak: null,
  confirmedAt: null,
  lastOutcome: null,
  downReason: null,
}

/**
 * The health after an outcome. From unknown the first verdict settles the status; from then on `rise` or `fall` verdicts
 * in a row turn it, also once it is stale: checks that begin late are no reason to call a target down for one lost packet. It then goes on
 * reading unknown until a verdict agrees with it or enough of them turn it. On demand, where ages are what they are, the first verdict
 * settles a stale one anew. An outcome older than the last is ignored: the same health comes back.
 */
export function nextHealth(health: Health, outcome: Outcome, policy: Policy, pauses: Pauses = noPauses): Health {
  if (health.lastOutcome !== null && outcome.endedAt < health.lastOutcome.endedAt) return health
  const verdict = verdictOf(outcome.reason)
  if (verdict === 'unknown') return { ...health, lastOutcome: outcome }

  const wasStale = isStale(health, policy, outcome.endedAt, pauses)
  const before = wasStale && policy.intervalMs === null ? unchecked : health
  const count = before.streak?.verdict === verdict ? before.streak.count + 1 : 1
  const turns =
    before.status === 'unknown' ||
    (verdict !== before.status && count >= (verdict === 'up' ? policy.rise : policy.fall))
  const status = turns ? verdict : before.status
  const next = {
    status,
    // A pause of our own is no change of the target's.
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
  // It is to read unknown as before, also where the interval that applies from now on is longer.
  const staleAt = outcome.endedAt - staleAfterMs(next, policy) * (pauses.ofChecks.length === 0 ? 1 : 2)
  return { ...next, confirmedAt: Math.min(before.confirmedAt ?? staleAt, staleAt) }
}

/** Which interval of a policy applies. */
export const Pace = ['intervalMs', 'fastIntervalMs', 'downIntervalMs'] as const satisfies (keyof Policy)[]
export type Pace = (typeof Pace)[number]

/** The interval that applies now: fast while a streak against the status is building, slow while settled down. */
export function paceOf({ status, streak }: Health): Pace {
  if (status !== 'unknown' && streak !== null && streak.verdict !== status) return 'fastIntervalMs'
  return status === 'down' ? 'downIntervalMs' : 'intervalMs'
}

/** How long it is, in milliseconds. Null where this replica checks nothing of its own accord: on demand, or what it cannot read. */
export function intervalAt(pace: Pace, policy: Policy): number | null {
  return policy.intervalMs === null || policy.unread.length > 0 ? null : policy[pace]
}

/** The interval that applies now, likewise. */
export function beatIntervalMs(health: Health, policy: Policy): number | null {
  return intervalAt(paceOf(health), policy)
}

/**
 * How long a health is believed without a new verdict, in milliseconds: three intervals and a timeout, and what a handover
 * takes where replicas share the work. The interval is the one that applies now where that is longer; on demand it is the age
 * below which nothing is checked again.
 */
export function staleAfterMs(health: Health, policy: Policy): number {
  const intervalMs =
    policy.intervalMs === null
      ? Math.max(policy.maxAgeMs, policy.minAgeMs)
      : Math.max(policy.intervalMs, policy[paceOf(health)] ?? 0)
  return 3 * intervalMs + policy.timeoutMs + policy.handoverMs
}

/**
 * Until when a health is believed, seen at `now`. A pause of Porthole's own extends that by its length, as no check could confirm
 * anything; but all pauses since the last verdict together extend it by no more than as long again.
 */
function believedUntil(health: Health, policy: Policy, now: number, pauses: Pauses): number {
  if (health.confirmedAt === null) return Number.POSITIVE_INFINITY
  const trustMs = staleAfterMs(health, policy)
  const until = health.confirmedAt + trustMs
  // Nearly always: pauses matter only to a health that is older.
  if (now < until || pauses.ofChecks.length === 0) return until
  return until + Math.min(trustMs, pausedMs(pauses.ofChecks, health.confirmedAt, now))
}

function isStale(health: Health, policy: Policy, now: number, pauses: Pauses): boolean {
  return now >= believedUntil(health, policy, now, pauses)
}

/**
 * Whether a health is too old to be believed only because Porthole itself did not run. It is reported as unknown, but that is
 * no news of the target: the time is kept as an absence. Checks have as long as trust lasts, while Porthole runs, to confirm it.
 * A prober that does not run while all else does is news.
 */
export function isExcused(health: Health, policy: Policy, now: number, pauses: Pauses): boolean {
  if (pauses.ofProcess.length === 0 || health.confirmedAt === null || !isStale(health, policy, now, pauses))
    return false
  const ranMs = now - health.confirmedAt - pausedMs(pauses.ofProcess, health.confirmedAt, now)
  return ranMs < staleAfterMs(health, policy)
}

/**
 * Whether somebody who asks for nothing older than `maxAgeMs` needs a new check; null: on demand as the policy says, on a schedule never.
 * A target is not dialled again within its `minAge`, and never where this version cannot read its policy.
 */
export function isTooOld(health: Health, policy: Policy, maxAgeMs: number | null, now: number): boolean {
  if (policy.unread.length > 0) return false
  const wanted = maxAgeMs ?? (policy.intervalMs === null ? policy.maxAgeMs : Number.POSITIVE_INFINITY)
  if (wanted === Number.POSITIVE_INFINITY) return false
  if (health.lastOutcome === null) return true
  // On demand nobody else would check again what has grown too old to be believed.
  const most = policy.intervalMs === null ? staleAfterMs(health, policy) : wanted
  return now - health.lastOutcome.endedAt > Math.max(Math.min(wanted, most), policy.minAgeMs)
}

/** The status as it reads now, and since when: a health nobody has confirmed for too long reads unknown, so that a checker that stopped does not look healthy. */
export function statusAt(
  health: Health,
  policy: Policy,
  now: number,
  pauses: Pauses = noPauses,
): Pick<Health, 'status' | 'since'> {
  const until = believedUntil(health, policy, now, pauses)
  return now < until ? health : { status: 'unknown', since: until }
}

/** Until when a health reads as it does now, if no outcome comes in; `now` itself once it is stale, since its age is then part of what it says. */
export function readsSameUntil(health: Health, policy: Policy, now: number, pauses: Pauses = noPauses): number {
  return Math.max(now, believedUntil(health, policy, now, pauses))
}
