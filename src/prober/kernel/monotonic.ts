import { hrtime } from 'node:process'

/**
 * What to add to CLOCK_MONOTONIC, which all threads share, for an instant of a clock of this thread; in milliseconds.
 * The two are read one after the other, and whatever comes between makes the difference smaller: the largest is the truest.
 */
export function offsetFromMonotonic(now: () => number): number {
  const samples = Array.from({ length: 8 }, () => now() - Number(hrtime.bigint()) / 1e6)
  return Math.max(...samples)
}
