import { performance } from 'node:perf_hooks'

/**
 * Two ways to tell the time. Rules are given instants of a clock that never jumps, so that a corrected wall clock
 * makes nothing stale; people and other machines are told the time of day.
 */
export type Clock = {
  /** An instant in milliseconds that only grows; it means nothing outside this process. */
  now(): number
  /** An instant as milliseconds since the epoch. */
  toEpoch(instant: number): number
  /** Milliseconds since the epoch as an instant. */
  fromEpoch(epochMs: number): number
}

/** The machine's clock. The wall clock's offset is taken anew only when it stepped, so the same instant reads the same time. */
export function systemClock(monotonic = () => performance.now(), wall = () => Date.now()): Clock {
  const stepMs = 1000
  let offset = wall() - monotonic()
  const current = () => {
    const measured = wall() - monotonic()
    if (Math.abs(measured - offset) > stepMs) offset = measured
    return offset
  }
  return {
    now: monotonic,
    toEpoch: (instant) => instant + current(),
    fromEpoch: (epochMs) => epochMs - current(),
  }
}
