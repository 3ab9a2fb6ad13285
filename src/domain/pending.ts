import { type Health, unchecked } from './health.ts'
import { noPauses, type Pauses, pausedMs } from './pause.ts'
import type { Policy } from './policy.ts'

/**
 * Returns the health of a target that joins, at an instant, a service of which another target was checked already. Such a target is
 * pending: nothing is known of it yet, so it does not count. Otherwise a healthy target that is added would make its service unknown.
 */
export function pendingSince(now: number): Health {
  return { ...unchecked, since: now }
}

/** Tells whether a target was pending when it joined and was not checked since, however long ago that was. */
export function joinedUnchecked({ lastOutcome, since }: Health): boolean {
  return lastOutcome === null && since !== null
}

/**
 * Returns until when a target is pending, as an instant, seen at `now`: for one interval and a timeout, in which its first check ends.
 * From then on it counts as unknown, because its check never came. A pause of this process, in which nothing is checked, extends that by its
 * length, but by no more than as long again. On demand no check comes until a client asks, so there is no such bound.
 * Returns minus infinity for a target that was checked, or that its service had from the beginning.
 */
export function pendingUntil(
  health: Health,
  { intervalMs, timeoutMs }: Policy,
  now: number,
  pauses: Pauses = noPauses,
): number {
  if (health.since === null || !joinedUnchecked(health)) return Number.NEGATIVE_INFINITY
  const boundMs = (intervalMs ?? Number.POSITIVE_INFINITY) + timeoutMs
  const until = health.since + boundMs
  if (now < until || pauses.ofChecks.length === 0) return until
  return until + Math.min(boundMs, pausedMs(pauses.ofChecks, health.since, now))
}

/** Tells whether a target does not count yet. */
export function isPending(health: Health, policy: Policy, now: number, pauses: Pauses = noPauses): boolean {
  return now < pendingUntil(health, policy, now, pauses)
}
