/** A duration in milliseconds as whole nanoseconds: what adding durations up leaves behind that is not told. */
export function nanosecondsOf(ms: number): number {
  return Math.round(ms * 1e6)
}
