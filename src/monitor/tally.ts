import { type Health, readsSameUntil, statusAt } from '../domain/health.ts'
import { noPauses, type Pause } from '../domain/pause.ts'
import type { Policy } from '../domain/policy.ts'
import { type Counts, noCounts } from '../domain/status.ts'

/**
 * How many targets of a service read as what, kept from one outcome to the next: to count all of ten thousand whenever something comes
 * in of one would be all that there is time for.
 */
export type Tally = {
  readonly counts: Counts
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
  pauses: readonly Pause[] = noPauses,
): Tally {
  const tally: Tally = { counts: noCounts(), at: now, until: Number.POSITIVE_INFINITY }
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
export function recount(
  tally: Tally,
  before: Health,
  after: Health,
  policy: Policy,
  pauses: readonly Pause[] = noPauses,
): void {
  tally.counts[statusAt(before, policy, tally.at, pauses).status]--
  count(tally, after, policy, pauses)
}

function count(tally: Tally, health: Health, policy: Policy, pauses: readonly Pause[]): void {
  tally.counts[statusAt(health, policy, tally.at, pauses).status]++
  const until = readsSameUntil(health, policy, tally.at, pauses)
  // What is stale by then reads unknown for as long as nothing comes in.
  if (until > tally.at) tally.until = Math.min(tally.until, until)
}
