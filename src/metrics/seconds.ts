/** A duration in milliseconds as seconds, to the nanosecond: what adding them up leaves behind that is not told. */
export function secondsOf(ms: number): number {
  return Math.round(ms * 1e6) / 1e9
}

/** A time of day in milliseconds since the epoch as seconds, to the millisecond. */
export function timestampOf(epochMs: number): number {
  return Math.round(epochMs) / 1000
}
