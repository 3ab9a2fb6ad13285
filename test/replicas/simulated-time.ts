import { setImmediate } from 'node:timers/promises'
import { createHeap, type Timed } from '../../src/heap.ts'

/** Time that passes from one event to the next, in milliseconds, as fast as they can be dealt with. */
export type SimulatedTime = {
  now(): number
  /** Has something happen then; at once when that is past. */
  at(instant: number, happen: () => void): void
  /** Lets happen what is due until then, each with all that follows from it at once, for as long as `afterEach` wants more. */
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
        // Whoever waited for it goes on before anything else happens.
        await setImmediate()
        if (!afterEach()) return
      }
      now = until
    },
  }
}
