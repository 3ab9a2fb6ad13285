import { type Health, readsSameUntil, statusAt } from '../domain/health.ts'
import { noPauses, type Pauses } from '../domain/pause.ts'
import { isPending, pendingUntil } from '../domain/pending.ts'
import type { Policy } from '../domain/policy.ts'
import { type Counts, noCounts } from '../domain/status.ts'

/**
 * How many targets of a service read as what, kept from one outcome to the next: to count all of ten thousand whenever something comes
 * in of one would be all that there is time for.
 */
export type Tally = {
  readonly counts: Counts
  /** How many are not in the counts, because they were added and are not checked yet. */
  pending: number
  /** The instant at which each is counted as it reads. */
  readonly at: number
  /** Until when they all read the same, if nothing comes in. */
  until: number
}

/**
 * So long a count holds at least, in milliseconds, though some of them have gone stale since. Where much more is due than can be done, or
 * nothing confirms anything, one goes stale after another: to count all for each would leave time for nothing else.
 */
const leastMs = 1000

/** Counts all of them as they read now. */
export function countAll(
  targets: Iterable<{ readonly health: Health }>,
  policy: Policy,
  now: number,
  pauses: Pauses = noPauses,
): Tally {
  const tally: Tally = { counts: noCounts(), pending: 0, at: now, until: Number.POSITIVE_INFINITY }
  for (const { health } of targets) count(tally, health, policy, pauses)
  return tally
}

/** Until when it holds where it is kept, if nothing comes in: until one of them goes stale, and for a second even then. */
export function holdsUntil(tally: Tally): number {
  return Math.max(tally.until, tally.at + leastMs)
}

/** Whether it does. */
export function holds(tally: Tally, now: number): boolean {
  return tally.at <= now && now < holdsUntil(tally)
}

/** Counts one of the targets by another health than before. */
export function recount(tally: Tally, before: Health, after: Health, policy: Policy, pauses: Pauses = noPauses): void {
  add(tally, before, policy, pauses, -1)
  count(tally, after, policy, pauses)
}

function count(tally: Tally, health: Health, policy: Policy, pauses: Pauses): void {
  add(tally, health, policy, pauses, 1)
  const until = countsSameUntil(health, policy, tally.at, pauses)
  // Once a target reads unknown because it is stale, or because its first check never came, time changes nothing more.
  if (until > tally.at) tally.until = Math.min(tally.until, until)
}

function add(tally: Tally, health: Health, policy: Policy, pauses: Pauses, by: 1 | -1): void {
  if (isPending(health, policy, tally.at, pauses)) tally.pending += by
  else tally.counts[statusAt(health, policy, tally.at, pauses).status] += by
}

/** Returns until when a target counts as it does now, if no outcome comes in; `now` once it is stale. */
export function countsSameUntil(health: Health, policy: Policy, now: number, pauses: Pauses = noPauses): number {
  const until = pendingUntil(health, policy, now, pauses)
  return now < until ? until : readsSameUntil(health, policy, now, pauses)
}
