import type { Clock } from '../clock.ts'
import type { DialRules } from '../domain/dial-rules.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Pauses } from '../domain/pause.ts'
import type { Prober } from '../prober/prober.ts'
import type { TimeSlices } from '../time-slices.ts'
import type { Announcer } from './announcer.ts'
import { noteFailingLookUp } from './failing-lookup.ts'
import { createRefresh, type Refresh } from './refresh.ts'
import type { Responsibility } from './responsibility.ts'
import { settle } from './settle.ts'
import { createSignal, type Signal } from './signal.ts'
import { createTurns } from './turns.ts'
import { type Check, serviceStatusAt, targetStatusAt, type WatchedTarget } from './watch.ts'

/** One check came to its end. `lateMs` is how long after its beat it began; null when it was asked for. */
export type Checked = { readonly watched: WatchedTarget; readonly outcome: Outcome; readonly lateMs: number | null }

/** Checks targets, and takes what comes of it into their health. */
export type Checks = {
  readonly checked: Signal<Checked>
  /** Checks because a beat came, at the instant `due`. A beat that finds the target's last check still under way is skipped. */
  beat(watched: WatchedTarget, due: number): void
  /** Checks because somebody asks, or joins the check under way. Resolves when its outcome counts. */
  check(watched: WatchedTarget): Promise<void>
  readonly refresh: Refresh
  stats(): { inFlight: number; waiting: number; skippedBeats: number; proberRestarts: number }
  /** How much longer a check has been under way than any may take, in milliseconds: a prober that works keeps it at 0. */
  overdueMs(): number
}

/** `maxInFlight` bounds the checks under way at once; the others wait, those asked for in front. */
export function createChecks({
  prober,
  clock,
  maxInFlight,
  dialRules,
  responsibility,
  announcer,
  pauses,
  slices,
}: {
  prober: Prober
  clock: Clock
  maxInFlight: number
  /** What may be dialled now for services that are registered over HTTP. */
  dialRules: () => DialRules
  responsibility: Responsibility
  announcer: Announcer
  pauses: Pauses
  slices?: TimeSlices | undefined
}): Checks {
  const checked = createSignal<Checked>()
  const turns = createTurns({ prober, maxInFlight, dialRules, take, pauses })
  let skippedBeats = 0

  function take(check: Check, ended: Outcome): void {
    const { watched, due } = check
    // It is for another replica by now, which may have checked since.
    if (due !== null && !responsibility.covers(watched.watchedService.service.name)) return
    if (isOvertaken(check, ended)) return
    const outcome = noteFailingLookUp(watched, ended, { clock, responsibility })
    settle(watched, outcome)
    announcer.reviewTarget(watched)
    checked.emit({ watched, outcome, lateMs: due === null ? null : Math.max(0, outcome.startedAt - due) })
  }

  function beat(watched: WatchedTarget, due: number): void {
    if (watched.check === null) {
      turns.begin(watched, due)
      return
    }
    skippedBeats++
    // Nearly always both read as they were announced: where much more is due than can be done, that is most of what happens.
    const now = clock.now()
    const { watchedService } = watched
    const { status } = targetStatusAt(watched, now)
    if (status !== watched.announced || serviceStatusAt(watchedService, now) !== watchedService.announced)
      announcer.reviewTarget(watched)
  }

  function check(watched: WatchedTarget): Promise<void> {
    // A check of a retired target never calls back, and one of a service that this version cannot read would mislead.
    if (watched.retired || watched.watchedService.service.policy.unread.length > 0) return Promise.resolve()
    const check = turns.ask(watched)
    return new Promise((ended) => {
      check.callers ??= []
      check.callers.push(ended)
    })
  }

  return {
    checked,
    beat,
    check,
    refresh: createRefresh({ turns, clock, slices }),
    stats: () => ({
      ...turns.stats(),
      skippedBeats,
      proberRestarts: prober.restarts(),
    }),
    overdueMs: () => turns.overdueMs(clock.now()),
  }
}

/**
 * Whether another replica's check of the same target ended while this one was under way: of two that ran side by side one counts,
 * or a moment of silence that two people asked about would be two failures in a row.
 */
function isOvertaken({ watched, known }: Check, { startedAt }: Outcome): boolean {
  const { lastEndedAt } = watched
  return lastEndedAt !== null && lastEndedAt !== known && lastEndedAt > startedAt
}
