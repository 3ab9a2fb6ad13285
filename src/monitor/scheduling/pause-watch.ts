import { addPause, type Pause, type Pauses, pausedMs } from '../../domain/health/pause.ts'
import type { Prober } from '../../prober/prober.ts'
import type { SystemClock } from '../../runtime/clock.ts'
import { createEmitter, type Emitter } from '../emitter.ts'

/** How often a timer shows that the event loop runs, in milliseconds. */
const tickMs = 250
/** A loop that shows no sign of life for this long was paused, in milliseconds. A busy machine does not keep a process waiting for so long. */
export const leastPauseMs = 1000

/** A pause of the prober while the rest of the process ran. `isOver` says that the prober runs again. */
export type ProberPause = Pause & { readonly isOver: boolean }

/** The only source of this process's pauses. Code that measures how long something took asks here how much of that time counts. */
export type PauseWatch = {
  /** The clock, which notices a pause before any code acts on the time after the pause. */
  readonly clock: SystemClock
  /** The pauses so far. The object stays the same, and its lists grow. */
  readonly pauses: Pauses
  /** Emits every pause of the process soon after its end, in a separate turn of the event loop. */
  readonly paused: Emitter<Pause>
  /** Emits when the prober pauses while the process runs, and again when the prober runs. */
  readonly proberPaused: Emitter<ProberPause>
  /** Returns the length of all pauses so far together, in milliseconds. */
  totalMs(): { readonly process: number; readonly prober: number }
  /** Starts to watch the process and its prober. */
  start(prober?: Pick<Prober, 'stalledSince'>): void
  stop(): void
}

/**
 * Watches whether the event loop runs. A timer reads the clock every 250 ms, and nearly all other work reads it too. If nothing read it for
 * one second, the process was stopped, its machine was suspended, or one piece of work blocked all others. A loop that is only busy reads the
 * clock all the time, even when its timers are late.
 */
export function watchPauses(clock: SystemClock): PauseWatch {
  const ofProcess: Pause[] = []
  const ofChecks: Pause[] = []
  const paused = createEmitter<Pause>()
  const proberPaused = createEmitter<ProberPause>()
  let ranAt = Number.POSITIVE_INFINITY
  const totalMs = { process: 0, prober: 0 }
  /** The pause of the prober that has not ended yet. */
  let proberPause: Pause | null = null
  let timer: NodeJS.Timeout | undefined
  let prober: Pick<Prober, 'stalledSince'> | undefined

  function now(): number {
    const instant = clock.now()
    if (instant - ranAt >= leastPauseMs) recordPause({ from: ranAt, to: instant })
    if (timer !== undefined) ranAt = instant
    return instant
  }

  function recordPause(pause: Pause): void {
    addPause(ofProcess, pause)
    addPause(ofChecks, pause)
    totalMs.process += pause.to - pause.from
    // Emit later, because the code that read the clock is in the middle of its work.
    setImmediate(() => paused.emit(pause))
  }

  function recordProber(from: number, now: number): void {
    const isNew = proberPause?.from !== from
    totalMs.prober += now - (proberPause?.from === from ? proberPause.to : from)
    proberPause = { from, to: now }
    // The pause lasts at least until the next tick.
    addPause(ofChecks, { from, to: now + 2 * tickMs })
    if (isNew) proberPaused.emit({ ...proberPause, isOver: false })
  }

  function tick(): void {
    clock.noticeSuspension()
    const instant = now()
    const from = prober?.stalledSince?.() ?? null
    // Right after a pause of the process, its prober has not run either.
    if (from !== null && instant - from - pausedMs(ofProcess, from, instant) >= leastPauseMs)
      recordProber(from, instant)
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
    start(state) {
      prober = state
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
