import type { Clock } from '../clock.ts'

/** A clock whose time of day is the store's, so that all replicas mean the same by a time. */
export type SharedClock = Clock & {
  /** The store said it is `epochMs`, between two instants of this clock. */
  align(sentAt: number, answeredAt: number, epochMs: number): void
}

/** How far the two may drift apart before that is corrected, in milliseconds: corrections move what reports say of the past. */
const toleranceMs = 20

/** Tells the machine's own time of day until it is aligned; instants stay the clock's. */
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
