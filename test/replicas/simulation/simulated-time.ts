import { setImmediate } from 'node:timers/promises'
import { createHeap, type Timed } from '../../../src/runtime/heap.ts'

/** Simulated time in milliseconds, which jumps from one event to the next without waiting. */
export type SimulatedTime = {
  now(): number
  /** Schedules an event, or runs it at once if its time is past. */
  at(instant: number, happen: () => void): void
  /** Runs the events that are due until then, each with everything that follows from it at once. Ends early when `afterEach` returns false. */
  pass(until: number, afterEach: () => boolean): Promise<void>
}

export function createSimulatedTime(startAt: number): SimulatedTime {
  const events = createHeap<Timed & { readonly happen: () => void }>()
  let now = startAt
  return {
    now: () => now,
    at(instant, happen) {
      events.push({ dueAt: Math.max(instant, now), heapIndex: -1, happen })
    },
    async pass(until, afterEach) {
      for (let next = events.peek(); next !== undefined && next.dueAt <= until; next = events.peek()) {
        events.remove(next)
        now = next.dueAt
        next.happen()
        // Code that awaits this event runs before the next event.
        await setImmediate()
        if (!afterEach()) return
      }
      now = until
    },
  }
}
