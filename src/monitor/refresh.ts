import { isTooOld } from '../domain/health.ts'
import { createTimeSlices, type TimeSlice, type TimeSlices } from '../time-slices.ts'
import type { Turns } from './turns.ts'
import type { Check, WatchedService } from './watch.ts'

/**
 * Checks what is older than `maxAgeMs` and waits for it, `waitMs` at most. A null age: on-demand services by their
 * own maxAge, others not at all. Returns null when nothing needs a check and that is seen at once; else resolves with whether anything was checked.
 * `slice` is the loop of a request that waits to the end: once it is abandoned no more checks are asked for.
 */
export type Refresh = (
  services: readonly WatchedService[],
  maxAgeMs: number | null,
  waitMs?: number,
  slice?: TimeSlice,
) => Promise<boolean> | null

/** To begin a check is as much work as to look at so many targets. */
const checkWork = 20

/** Returns what asks for checks in the turns of the event loop that `slices` gives. */
export function createRefresh({
  turns,
  clock,
  slices = createTimeSlices(),
}: {
  turns: Pick<Turns, 'ask'>
  clock: { now(): number }
  slices?: TimeSlices | undefined
}): Refresh {
  async function askFor(
    services: readonly WatchedService[],
    maxAgeMs: number | null,
    wait: Wait,
    slice: TimeSlice,
  ): Promise<void> {
    const now = clock.now()
    for (const watchedService of services) {
      if (slice.mustYield()) await slice.yield()
      const { policy } = watchedService.service
      // Quicker to see than the ages of all of them: on a schedule nothing is too old for who wants no age.
      if (maxAgeMs === null && policy.intervalMs !== null) continue
      for (const watched of watchedService.targets) {
        if (slice.mustYield()) await slice.yield()
        if (watched.retired || !isTooOld(watched.health, policy, maxAgeMs, now)) continue
        wait.add(turns.ask(watched))
        if (slice.mustYield(checkWork)) await slice.yield()
      }
    }
    wait.endWithAll()
  }

  return (services, maxAgeMs, waitMs, slice) => {
    const wait = createWait(waitMs !== 0)
    // A request that does not wait to the end may be answered before all checks are asked for, and they are asked for all the same.
    const asking = askFor(services, maxAgeMs, wait, (waitMs === undefined ? slice : undefined) ?? slices.begin())
    if (wait.isComplete() && wait.isEmpty()) return null
    const ended = asking.then(() => wait.ended)
    return (waitMs === undefined ? ended : atMost(waitMs, ended)).then(() => !wait.isComplete() || !wait.isEmpty())
  }
}

/** Waits for many checks at once, and leaves no more behind with each than a word: whoever asks may have gone long before they end. */
type Wait = {
  add(check: Check): void
  isEmpty(): boolean
  /** Whether no check comes any more. */
  isComplete(): boolean
  /** No check comes any more: it ends with the last of them. */
  endWithAll(): void
  readonly ended: Promise<void>
}

/** Who is not patient waits for none of them, and only asks for them. */
function createWait(isPatient: boolean): Wait {
  const { promise, resolve } = Promise.withResolvers<void>()
  let added = 0
  // One for whoever adds.
  let left = 1
  let isComplete = false
  const endOne = () => {
    left--
    if (left === 0) resolve()
  }
  return {
    add(check) {
      added++
      if (!isPatient) return
      left++
      check.callers ??= []
      check.callers.push(endOne)
    },
    isEmpty: () => added === 0,
    isComplete: () => isComplete,
    endWithAll() {
      isComplete = true
      endOne()
    },
    ended: promise,
  }
}

/** Waits for something, but no longer than that. */
async function atMost(ms: number, something: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([something, patience])
  clearTimeout(timer)
}
