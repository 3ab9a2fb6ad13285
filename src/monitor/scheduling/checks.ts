import type { Outcome } from '../../domain/check/outcome.ts'
import type { Pauses } from '../../domain/health/pause.ts'
import type { DialRules } from '../../domain/target/dial-rules.ts'
import type { Prober } from '../../prober/prober.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlices } from '../../runtime/time-slices.ts'
import { recordFailingLookUp } from '../discovery/failing-lookup.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import type { Ownership } from '../ownership.ts'
import { applyOutcome } from '../state/apply-outcome.ts'
import { type Check, effectiveServiceStatus, effectiveTargetStatus, type TargetState } from '../state/state.ts'
import type { TransitionEmitter } from '../transitions/transition-emitter.ts'
import { createCheckQueue } from './check-queue.ts'
import { createRefresh, type Refresh } from './refresh.ts'

/** A check that ended. `lateMs` is how long after its scheduled time it began; null for a check that a caller requested. */
export type Checked = { readonly state: TargetState; readonly outcome: Outcome; readonly lateMs: number | null }

/** Runner of checks, which applies each outcome to the health of its target. */
export type Checks = {
  readonly checked: Emitter<Checked>
  /** Runs the scheduled check that is due at the instant `due`. Skips it while the last check of the target is still under way. */
  checkOnSchedule(state: TargetState, due: number): void
  /** Checks a target for a caller, or joins the check under way. Resolves once the outcome is applied. */
  check(state: TargetState): Promise<void>
  readonly refresh: Refresh
  stats(): { inFlight: number; waiting: number; skippedChecks: number; proberRestarts: number }
  /** Returns for how long a check has exceeded its timeout, in milliseconds. A prober that works keeps it at 0. */
  overdueMs(): number
}

/** Creates the runner. `maxInFlight` bounds the checks under way at once. Other checks wait, and those for callers go first. */
export function createChecks({
  prober,
  clock,
  maxInFlight,
  dialRules,
  ownership,
  transitionEmitter,
  pauses,
  slices,
}: {
  prober: Prober
  clock: Clock
  maxInFlight: number
  /** Returns the dial rules that apply now to services registered over HTTP. */
  dialRules: () => DialRules
  ownership: Ownership
  transitionEmitter: TransitionEmitter
  pauses: Pauses
  slices?: TimeSlices | undefined
}): Checks {
  const checked = createEmitter<Checked>()
  const checkQueue = createCheckQueue({ prober, maxInFlight, dialRules, applyCheck, pauses })
  let skippedChecks = 0

  function applyCheck(check: Check, ended: Outcome): void {
    const { state, due } = check
    // Another replica owns the service now, and may have checked the target since.
    if (due !== null && !ownership.owns(state.serviceState.service.name)) return
    if (isOvertaken(check, ended)) return
    const outcome = recordFailingLookUp(state, ended, { clock, ownership })
    applyOutcome(state, outcome)
    transitionEmitter.emitForTarget(state)
    checked.emit({ state, outcome, lateMs: due === null ? null : Math.max(0, outcome.startedAt - due) })
  }

  function checkOnSchedule(state: TargetState, due: number): void {
    if (state.check === null) {
      checkQueue.begin(state, due)
      return
    }
    skippedChecks++
    // Compare first, because nearly always neither status has changed. Under overload most scheduled checks end here.
    const now = clock.now()
    const { serviceState } = state
    const { status } = effectiveTargetStatus(state, now)
    if (status !== state.emittedStatus || effectiveServiceStatus(serviceState, now) !== serviceState.emittedStatus)
      transitionEmitter.emitForTarget(state)
  }

  function check(state: TargetState): Promise<void> {
    // A retired target is not checked any more. A check of a service that this version cannot read would mislead.
    if (state.retired || state.serviceState.service.policy.unread.length > 0) return Promise.resolve()
    const check = checkQueue.ask(state)
    return new Promise((ended) => {
      check.callers ??= []
      check.callers.push(ended)
    })
  }

  return {
    checked,
    checkOnSchedule,
    check,
    refresh: createRefresh({ checkQueue, clock, slices }),
    stats: () => ({
      ...checkQueue.stats(),
      skippedChecks,
      proberRestarts: prober.restarts(),
    }),
    overdueMs: () => checkQueue.overdueMs(clock.now()),
  }
}

/**
 * Returns whether another replica's check of the same target ended while this check was under way. Only one of two parallel checks counts.
 * Otherwise one moment without an answer, seen by two callers, would be two failures in a row.
 */
function isOvertaken({ state, known }: Check, { startedAt }: Outcome): boolean {
  const { lastEndedAt } = state
  return lastEndedAt !== null && lastEndedAt !== known && lastEndedAt > startedAt
}
