import type { Policy } from '../service/policy.ts'
import { type Health, neverChecked } from './health.ts'
import { noPauses, type Pauses, pausedMs } from './pause.ts'

/**
 * Returns the health of a target that joins a service at `now`, after another target of the service was checked. Such a target is pending: it
 * does not count until its first check. Otherwise adding a healthy target would make its service unknown.
 */
export function pendingSince(now: number): Health {
  return { ...neverChecked, since: now }
}

/** Returns whether a target was pending when it joined and was not checked since, however long ago it joined. */
export function joinedNeverChecked({ lastOutcome, since }: Health): boolean {
  return lastOutcome === null && since !== null
}

/**
 * Returns the instant until which a target is pending, as seen at `now`: one interval and a timeout after it joined, in which its first check
 * ends. After that the target counts as unknown, because its check is missing. A pause extends that time by its length, at most to twice the
 * time. On demand there is no such limit, because no check happens until a client asks.
 * Returns minus infinity for a target that was checked, or that its service had from the beginning.
 */
export function pendingUntil(
  health: Health,
  { intervalMs, timeoutMs }: Policy,
  now: number,
  pauses: Pauses = noPauses,
): number {
  if (health.since === null || !joinedNeverChecked(health)) return Number.NEGATIVE_INFINITY
  const boundMs = (intervalMs ?? Number.POSITIVE_INFINITY) + timeoutMs
  const until = health.since + boundMs
  if (now < until || pauses.ofChecks.length === 0) return until
  return until + Math.min(boundMs, pausedMs(pauses.ofChecks, health.since, now))
}

/** Returns whether a target is pending, so that it does not count yet. */
export function isPending(health: Health, policy: Policy, now: number, pauses: Pauses = noPauses): boolean {
  return now < pendingUntil(health, policy, now, pauses)
}
