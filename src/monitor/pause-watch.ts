import type { SystemClock } from '../clock.ts'
import { addPause, type Pause, type Pauses, pausedMs } from '../domain/pause.ts'
import type { Prober } from '../prober/prober.ts'
import { createSignal, type Signal } from './signal.ts'

/** How often the event loop shows that it runs, in milliseconds. */
const tickMs = 250
/** A loop that has not run for this long did not run, in milliseconds. It is longer than a busy machine keeps a process waiting. */
export const leastPauseMs = 1000

/** A time when the prober did not run while the rest of the process did. `isOver`: it runs again. */
export type ProberPause = Pause & { readonly isOver: boolean }

/** The one place that tells whether this process ran. All that measures how long something took asks here how much of that counts. */
export type PauseWatch = {
  /** The clock, which notices a pause before anything is decided by the time after it. */
  readonly clock: SystemClock
  /** The pauses so far. It is the same object at any time, and its lists grow. */
  readonly pauses: Pauses
  /** Emits every pause of the process soon after its end, in a turn of the event loop of its own. */
  readonly paused: Signal<Pause>
  /** Emits when the prober is found not to run while the process does, and again once it runs. */
  readonly proberPaused: Signal<ProberPause>
  /** Returns how long all pauses together were so far, in milliseconds. */
  totalMs(): { readonly process: number; readonly prober: number }
  /** Begins to watch the process, and the prober that it has. */
  start(prober?: Pick<Prober, 'stalledSince'>): void
  stop(): void
}

/**
 * Watches whether the event loop runs. A timer reads the clock every 250 ms, and so does nearly all other work. Where neither did for a
 * second, the process was stopped, its machine was suspended, or one piece of work held up all others. A loop that is only busy
 * reads the clock all the time, also when its timers are late.
 */
export function watchPauses(clock: SystemClock): PauseWatch {
  const ofProcess: Pause[] = []
  const ofChecks: Pause[] = []
  const paused = createSignal<Pause>()
  const proberPaused = createSignal<ProberPause>()
  let ranAt = Number.POSITIVE_INFINITY
  const totalMs = { process: 0, prober: 0 }
  /** The pause of the prober that is not over yet. */
  let proberPause: Pause | null = null
  let timer: NodeJS.Timeout | undefined
  let prober: Pick<Prober, 'stalledSince'> | undefined

  function now(): number {
    const instant = clock.now()
    if (instant - ranAt >= leastPauseMs) note({ from: ranAt, to: instant })
    if (timer !== undefined) ranAt = instant
    return instant
  }

  function note(pause: Pause): void {
    addPause(ofProcess, pause)
    addPause(ofChecks, pause)
    totalMs.process += pause.to - pause.from
    // Whoever asked for the time is in the middle of something.
    setImmediate(() => paused.emit(pause))
  }

  function noteProber(from: number, now: number): void {
    const isNew = proberPause?.from !== from
    totalMs.prober += now - (proberPause?.from === from ? proberPause.to : from)
    proberPause = { from, to: now }
    // It lasts until the next tick at least.
    addPause(ofChecks, { from, to: now + 2 * tickMs })
    if (isNew) proberPaused.emit({ ...proberPause, isOver: false })
  }

  function tick(): void {
    clock.noticeSuspension()
    const instant = now()
    const from = prober?.stalledSince?.() ?? null
    // Right after a pause of the process its prober has not run either.
    if (from !== null && instant - from - pausedMs(ofProcess, from, instant) >= leastPauseMs) noteProber(from, instant)
    else if (proberPause !== null) {
      proberPaused.emit({ ...proberPause, isOver: true })
      proberPause = null
    }
  }

  return {
    clock: { ...clock, now },
    pauses: { ofProcess, ofChecks },
    paused,
    proberPaused,
    totalMs: () => totalMs,
    start(watched) {
      prober = watched
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
