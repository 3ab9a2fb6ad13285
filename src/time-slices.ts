import { createQueue } from './queue.ts'

/**
 * Shares the event loop among loops over many services. In each turn of the event loop they run for some milliseconds together, however
 * many there are. Then timers, sockets and small requests get their turn.
 */
export type TimeSlices = {
  /**
   * Begins a loop. `isAbandoned` tells whether nobody waits for its result any more, as where the client has closed its connection; then
   * `yield` throws `loopAbandoned`.
   */
  begin(isAbandoned?: () => boolean): TimeSlice
}

/** The share of one loop: `if (slice.mustYield()) await slice.yield()` before each step. */
export type TimeSlice = {
  /**
   * Tells whether the loop has to yield before its next step. `work` is how much that step is, where a service that is looked at is 1: some
   * tenths of a microsecond.
   */
  mustYield(work?: number): boolean
  /** Resolves when the loop may go on, in a later turn of the event loop. */
  yield(): Promise<void>
  /** Whether it has yielded so far: until then nothing else can have happened. */
  readonly hasYielded: boolean
}

/** What `yield` throws in a loop whose result nobody waits for. */
export const loopAbandoned = new Error('nobody waits for the result of this loop')

/** How long loops may run in one turn of the event loop, in milliseconds. */
const defaultSliceMs = 5
/** A loop that is no longer than this never yields: small requests do not wait for large ones. */
const freeWork = 100
/** The clock is read after so much work, because reading it takes as long as looking at a service. */
const workPerLook = 32

/** `now` tells the time in milliseconds; tests count work instead. */
export function createTimeSlices({
  now = () => performance.now(),
  sliceMs = defaultSliceMs,
}: {
  now?: () => number
  sliceMs?: number
} = {}): TimeSlices {
  /** Loops that wait for their next slice: those that had none yet, the newest at the end, and the others. */
  const fresh: (() => void)[] = []
  const begun = createQueue<() => void>()
  /** The loops that have the first claim to a turn, one turn after the other: a short loop waits neither for all the long ones nor for ever. */
  const claims = [() => fresh.pop(), () => fresh.shift(), begun.shift] as const
  /** When the loops of this turn have to yield; null while no loop runs. */
  let endsAt: number | null = null
  let turns = 0

  /** Gives the turn to one loop. */
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
