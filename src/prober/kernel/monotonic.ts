import { hrtime } from 'node:process'

/**
 * Returns the offset from CLOCK_MONOTONIC, which all threads share, to a clock of this thread, in milliseconds.
 * The two clocks are read one after the other, and a delay between them makes the difference smaller. So the largest of eight differences is the
 * most exact.
 */
export function offsetFromMonotonic(now: () => number): number {
  const samples = Array.from({ length: 8 }, () => now() - Number(hrtime.bigint()) / 1e6)
  return Math.max(...samples)
}
