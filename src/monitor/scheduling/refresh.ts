import { isTooOld } from '../../domain/health/health.ts'
import { createTimeSlices, type TimeSlice, type TimeSlices } from '../../runtime/time-slices.ts'
import type { Check, ServiceState } from '../state/state.ts'
import type { CheckQueue } from './check-queue.ts'

/**
 * Request for recent outcomes: checks each target whose last outcome is older than `maxAgeMs`, and waits for the outcomes, at most `waitMs`.
 * Without an age, on-demand services use their own `maxAge`, and other services are not checked. Returns null if it sees at once that nothing
 * needs a check. Otherwise it resolves with whether anything was checked. `slice` is the loop of a request that waits to the end. Once that
 * request is abandoned, no more checks are requested.
 */
export type Refresh = (
  services: readonly ServiceState[],
  maxAgeMs: number | null,
  waitMs?: number,
  slice?: TimeSlice,
) => Promise<boolean> | null

/** Starting a check takes as much work as visiting this many targets. */
const checkWork = 20

/** Creates the function that requests checks, in the turns of the event loop that `slices` gives. */
export function createRefresh({
  checkQueue,
  clock,
  slices = createTimeSlices(),
}: {
  checkQueue: Pick<CheckQueue, 'ask'>
  clock: { now(): number }
  slices?: TimeSlices | undefined
}): Refresh {
  async function askFor(
    services: readonly ServiceState[],
    maxAgeMs: number | null,
    wait: Wait,
    slice: TimeSlice,
  ): Promise<void> {
    const now = clock.now()
    for (const serviceState of services) {
      if (slice.mustYield()) await slice.yield()
      const { policy } = serviceState.service
      // Skip the service before visiting its targets. Without an age from the caller, no scheduled target is too old.
      if (maxAgeMs === null && policy.intervalMs !== null) continue
      for (const state of serviceState.targets) {
        if (slice.mustYield()) await slice.yield()
        if (state.retired || !isTooOld(state.health, policy, maxAgeMs, now)) continue
        wait.add(checkQueue.ask(state))
        if (slice.mustYield(checkWork)) await slice.yield()
      }
    }
    wait.endWithAll()
  }

  return (services, maxAgeMs, waitMs, slice) => {
    const wait = createWait(waitMs !== 0)
    // A request with a limited wait may be answered before all checks are requested. Its slice is not used, so that the rest is requested anyway.
    const asking = askFor(services, maxAgeMs, wait, (waitMs === undefined ? slice : undefined) ?? slices.begin())
    if (wait.isComplete() && wait.isEmpty()) return null
    const ended = asking.then(() => wait.ended)
    return (waitMs === undefined ? ended : atMost(waitMs, ended)).then(() => !wait.isComplete() || !wait.isEmpty())
  }
}

/** A wait for many checks. Each check stores only one reference to it, because the caller may be gone long before the checks end. */
type Wait = {
  add(check: Check): void
  isEmpty(): boolean
  /** Returns whether all checks have been added. */
  isComplete(): boolean
  /** Marks that all checks have been added. The wait ends with the last check. */
  endWithAll(): void
  readonly ended: Promise<void>
}

/** Creates a wait. An impatient one counts the checks and waits for none. */
function createWait(isPatient: boolean): Wait {
  const { promise, resolve } = Promise.withResolvers<void>()
  let added = 0
  // One for the code that adds checks, so that the wait cannot end before all are added.
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

/** Waits for a promise, at most `ms` milliseconds. */
async function atMost(ms: number, something: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([something, patience])
  clearTimeout(timer)
}
