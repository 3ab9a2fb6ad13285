/** Converts milliseconds to whole nanoseconds. Rounding removes the error of floating-point sums, such as that of 0.1 + 0.2. */
export function nanosecondsOf(ms: number): number {
  return Math.round(ms * 1e6)
}
