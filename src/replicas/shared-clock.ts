import type { Clock } from '../runtime/clock.ts'

/** A clock with the time of day of the store, so that a time means the same on all replicas. */
export type SharedClock = Clock & {
  /** Aligns the clock. The time of the store was `epochMs` at some instant between these two. */
  align(sentAt: number, answeredAt: number, epochMs: number): void
}

/** How far the two clocks may drift apart before a correction, in milliseconds. Corrections move past times in reports. */
const toleranceMs = 20

/** Creates a clock with the machine's own time of day until it is aligned. Its instants are always those of `clock`. */
export function createSharedClock(clock: Clock): SharedClock {
  let offset: number | null = null
  return {
    now: clock.now,
    toEpoch: (instant) => (offset === null ? clock.toEpoch(instant) : instant + offset),
    fromEpoch: (epochMs) => (offset === null ? clock.fromEpoch(epochMs) : epochMs - offset),
    align(sentAt, answeredAt, epochMs) {
      const measured = epochMs - (sentAt + answeredAt) / 2
      const doubtMs = (answeredAt - sentAt) / 2
      if (offset === null || Math.abs(measured - offset) > doubtMs + toleranceMs) offset = measured
    },
  }
}
