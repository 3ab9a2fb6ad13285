import { createQueue } from './queue.ts'

/**
 * Shares the event loop among loops over many services. In each turn of the event loop, all these loops together run for 5 ms, regardless of
 * their number. Then timers, sockets and small requests get their turn.
 */
export type TimeSlices = {
  /**
   * Begins a loop. `isAbandoned` returns true once the result of the loop is not needed any more, for example because the client has closed its
   * connection. `yield` then throws `loopAbandoned`.
   */
  begin(isAbandoned?: () => boolean): TimeSlice
}

/** The share of one loop: call `if (slice.mustYield()) await slice.yield()` before each step. */
export type TimeSlice = {
  /**
   * Returns whether the loop has to yield before its next step. `work` is the size of that step. To look at one service is 1, which takes some
   * tenths of a microsecond.
   */
  mustYield(work?: number): boolean
  /** Resolves when the loop may go on, in a later turn of the event loop. */
  yield(): Promise<void>
  /** Whether the loop has yielded so far. Before the first yield no other code can have run. */
  readonly hasYielded: boolean
}

/** The error that `yield` throws in a loop whose result is not needed any more. */
export const loopAbandoned = new Error('the result of this loop is not needed any more')

/** The time for which loops may run in one turn of the event loop, in milliseconds. */
const defaultSliceMs = 5
/** A loop of at most this much work never yields, so that a small request does not wait for a large one. */
const freeWork = 100
/** The amount of work between two readings of the clock, because one reading takes as long as looking at one service. */
const workPerLook = 32

/** Creates the time slices. `now` returns the time in milliseconds; tests count work instead. */
export function createTimeSlices({
  now = () => performance.now(),
  sliceMs = defaultSliceMs,
}: {
  now?: () => number
  sliceMs?: number
} = {}): TimeSlices {
  /** The loops that wait for a slice. `fresh` has those without any slice so far, the newest at the end; `begun` has the others. */
  const fresh: (() => void)[] = []
  const begun = createQueue<() => void>()
  /** The lists that have the first claim to a turn, in rotation. In this way a short loop waits neither for all the long ones nor for ever. */
  const claims = [() => fresh.pop(), () => fresh.shift(), begun.shift] as const
  /** The time at which the loops of this turn have to yield; null while no loop runs. */
  let endsAt: number | null = null
  let turns = 0

  /** Resumes one loop. */
  function takeTurn(): void {
    const resume = claims[turns++ % claims.length]?.() ?? fresh.pop() ?? begun.shift()
    if (resume === undefined) {
      endsAt = null
      return
    }
    startTurn()
    resume()
  }

  function startTurn(): number {
    endsAt = now() + sliceMs
    setImmediate(takeTurn)
    return endsAt
  }

  return {
    begin(isAbandoned = () => false) {
      let left = freeWork
      let hasYielded = false
      return {
        mustYield(work = 1) {
          left -= work
          if (left >= 0) return false
          left = workPerLook
          return now() >= (endsAt ?? startTurn())
        },
        async yield() {
          if (isAbandoned()) throw loopAbandoned
          if (endsAt === null) startTurn()
          await new Promise<void>((resume) => {
            ;(hasYielded ? begun : fresh).push(resume)
          })
          hasYielded = true
          if (isAbandoned()) throw loopAbandoned
        },
        get hasYielded() {
          return hasYielded
        },
      }
    },
  }
}
