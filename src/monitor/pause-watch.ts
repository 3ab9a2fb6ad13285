import type { SystemClock } from '../clock.ts'
import { addPause, type Pause } from '../domain/pause.ts'
import { createSignal, type Signal } from './signal.ts'

/** How often the event loop shows that it runs, in milliseconds. */
const tickMs = 250
/** A loop that has not run for this long did not run, in milliseconds. It is longer than a busy machine keeps a process waiting. */
export const leastPauseMs = 1000

/** The one place that tells whether this process ran. All that measures how long something took asks here how much of that counts. */
export type PauseWatch = {
  /** The clock, which notices a pause before anything is decided by the time after it. */
  readonly clock: SystemClock
  /** The pauses so far, the oldest first. It is the same list at any time, and grows. */
  readonly pauses: readonly Pause[]
  /** Emits every pause soon after its end, in a turn of the event loop of its own. */
  readonly paused: Signal<Pause>
  /** Returns how long all pauses together were, in milliseconds. */
  totalMs(): number
  start(): void
  stop(): void
}

/**
 * Watches whether the event loop runs. A timer reads the clock every 250 ms, and so does nearly all other work. Where neither did for a
 * second, the process was stopped, its machine was suspended, or one piece of work held up all others. A loop that is only busy
 * reads the clock all the time, also when its timers are late.
 */
export function watchPauses(clock: SystemClock): PauseWatch {
  const pauses: Pause[] = []
  const paused = createSignal<Pause>()
  let ranAt = Number.POSITIVE_INFINITY
  let totalMs = 0
  let timer: NodeJS.Timeout | undefined

  function now(): number {
    const instant = clock.now()
    if (instant - ranAt >= leastPauseMs) note({ from: ranAt, to: instant })
    if (timer !== undefined) ranAt = instant
    return instant
  }

  function note(pause: Pause): void {
    addPause(pauses, pause)
    totalMs += pause.to - pause.from
    // Whoever asked for the time is in the middle of something.
    setImmediate(() => paused.emit(pause))
  }

  function tick(): void {
    clock.noticeSuspension()
    now()
  }

  return {
    clock: { ...clock, now },
    pauses,
    paused,
    totalMs: () => totalMs,
    start() {
      ranAt = clock.now()
      timer = setInterval(tick, tickMs).unref()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
      ranAt = Number.POSITIVE_INFINITY
    },
  }
}
