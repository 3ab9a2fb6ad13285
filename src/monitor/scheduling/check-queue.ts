import { countsAsSlow, type Outcome } from '../../domain/check/outcome.ts'
import { isInterrupted, noPauses, type Pauses, pausedMs } from '../../domain/health/pause.ts'
import type { DialRules } from '../../domain/target/dial-rules.ts'
import type { Prober } from '../../prober/prober.ts'
import { createQueue, type Queue } from '../../runtime/queue.ts'
import type { Check, TargetState } from '../state/state.ts'

/** Check queue. Checks wait in it until there is room for them, and then run. */
export type CheckQueue = {
  /** Queues the scheduled check of a target that has no check. The check was due at the instant `due`. */
  begin(state: TargetState, due: number): void
  /** Requests a check for a caller. One that has not begun goes before all scheduled checks that wait. */
  ask(state: TargetState): Check
  stats(): { inFlight: number; waiting: number }
  /** Returns for how long a check has exceeded its timeout, in milliseconds. Each call watches one check until it ends. Returns 0 if none is late. */
  overdueMs(now: number): number
}

/**
 * The shares of `maxInFlight` that unresponsive targets may take. The first bounds their scheduled checks and, separately, their
 * checks for callers, because other targets would wait behind them. The second bounds both together, so that neither kind blocks the other.
 */
const unresponsiveShare = 0.5
const unresponsiveShareInTotal = 0.75
/** A target is unresponsive if its last check took this share of the timeout and did not connect. The next check probably takes as long. */
const unresponsiveAfter = 0.5

/** Creates the queue. `maxInFlight` bounds the checks under way at once. The outcome of a registered target is applied before the callers learn of it. */
export function createCheckQueue({
  prober,
  maxInFlight,
  dialRules,
  applyCheck: take,
  pauses = noPauses,
}: {
  prober: Prober
  maxInFlight: number
  /** Returns the dial rules that apply now to services registered over HTTP. */
  dialRules: () => DialRules
  applyCheck: (check: Check, outcome: Outcome) => void
  /** The pauses in which checks could confirm nothing, up to date at any time. */
  pauses?: Pauses
}): CheckQueue {
  const asked = createQueue<Check>()
  const askedUnresponsive = createQueue<Check>()
  // A target that waits needs no further object, because under overload nearly all targets wait.
  const answering = createQueue<TargetState>()
  const unresponsive = createQueue<TargetState>()
  const maxUnresponsive = Math.max(1, Math.floor(maxInFlight * unresponsiveShare))
  const maxUnresponsiveInTotal = Math.max(1, Math.floor(maxInFlight * unresponsiveShareInTotal))
  let inFlight = 0
  /** The checks of unresponsive targets under way: those for callers, and scheduled ones. */
  const unresponsiveInFlight = { asked: 0, scheduled: 0 }
  let waiting = 0
  /** The check that began last. */
  let newest: Check | null = null
  let newestTimeoutMs = 0
  /** The check that is watched for its timeout, since the instant `at`. */
  let looked: { readonly check: Check; readonly at: number; readonly timeoutMs: number } | null = null

  function fill(): void {
    while (inFlight < maxInFlight) {
      const check = asked.shift()
      if (check !== undefined) {
        start(check, false)
        continue
      }
      const unresponsiveCheck = mayBeginUnresponsive('asked') ? askedUnresponsive.shift() : undefined
      if (unresponsiveCheck !== undefined) {
        start(unresponsiveCheck, true)
        continue
      }
      const queue = nextQueue()
      const state = queue?.shift()
      if (state === undefined) return
      state.check = { state, due: state.dueAt, hasBegun: false, known: null, callers: null }
      start(state.check, queue === unresponsive)
    }
  }

  /** Returns the queue whose first check was due first, of those that may begin; null if none may. */
  function nextQueue(): Queue<TargetState> | null {
    for (const queue of [answering, unresponsive]) {
      // A caller has requested the check since, so this is its old place.
      while (queue.peek()?.check !== 'waiting' && queue.shift() !== undefined);
    }
    const first = answering.peek()
    const firstUnresponsive = mayBeginUnresponsive('scheduled') ? unresponsive.peek() : undefined
    if (firstUnresponsive === undefined) return first === undefined ? null : answering
    return first === undefined || firstUnresponsive.dueAt < first.dueAt ? unresponsive : answering
  }

  function mayBeginUnresponsive(kind: keyof typeof unresponsiveInFlight): boolean {
    return (
      unresponsiveInFlight[kind] < maxUnresponsive &&
      unresponsiveInFlight.asked + unresponsiveInFlight.scheduled < maxUnresponsiveInTotal
    )
  }

  function start(check: Check, isUnresponsive: boolean): void {
    const { state } = check
    check.hasBegun = true
    waiting--
    if (state.retired) {
      end(check)
      return
    }
    check.known = state.lastEndedAt
    const { origin, policy, resolve } = state.serviceState.service
    const { timeoutMs, close } = policy
    // With `resolve: all` a name is a target only until its first address is known, and again once its addresses were given up.
    const lookupHoldMs = resolve === 'all' ? 0 : policy.lookupHoldMs
    newest = check
    newestTimeoutMs = timeoutMs
    inFlight++
    const kind = check.due === null ? 'asked' : 'scheduled'
    if (isUnresponsive) unresponsiveInFlight[kind]++
    // Checks that wait can begin only when those under way end.
    const urgent = check.due === null || waiting > 0
    const rules = origin === 'http' ? dialRules() : null
    const { target } = state
    prober.check({ target, timeoutMs, close, urgent, rules, memory: state, lookupHoldMs }, (outcome) => {
      inFlight--
      if (isUnresponsive) unresponsiveInFlight[kind]--
      if (outcome === undefined || state.retired) end(check)
      else if (isInterrupted(outcome, pauses)) repeat(check)
      else {
        take(check, outcome)
        end(check)
      }
      fill()
    })
  }

  /** Repeats a check that a pause of this process interrupted. Its callers go on waiting. The check goes before all scheduled checks that wait. */
  function repeat(check: Check): void {
    check.hasBegun = false
    if (looked?.check === check) looked = null
    waiting++
    const queue = isUnresponsive(check.state) ? askedUnresponsive : asked
    queue.push(check)
  }

  function end({ state, callers }: Check): void {
    state.check = null
    if (callers !== null) for (const caller of callers) caller()
  }

  return {
    begin(state, due) {
      state.check = 'waiting'
      state.dueAt = due
      waiting++
      const queue = isUnresponsive(state) ? unresponsive : answering
      queue.push(state)
      fill()
    },
    ask(state) {
      if (state.check !== null && state.check !== 'waiting') return state.check
      if (state.check === null) waiting++
      const check: Check = { state, due: null, hasBegun: false, known: null, callers: null }
      state.check = check
      const queue = isUnresponsive(state) ? askedUnresponsive : asked
      queue.push(check)
      fill()
      return check
    },
    stats: () => ({ inFlight, waiting }),
    overdueMs(now) {
      if (looked !== null && !isUnderWay(looked.check)) looked = null
      // Watching one check at a time is enough, because a stuck prober ends none.
      if (looked === null && newest !== null && isUnderWay(newest)) {
        looked = { check: newest, at: now, timeoutMs: newestTimeoutMs }
      }
      if (looked === null) return 0
      // While this process did not run, it could not see a check end.
      const ranMs = now - looked.at - pausedMs(pauses.ofProcess, looked.at, now)
      return Math.max(0, ranMs - looked.timeoutMs)
    },
  }
}

/** Returns whether the last check of a target took long, and ended with a reason that counts as slow. The next check probably takes as long. */
function isUnresponsive(state: TargetState): boolean {
  const { lastTookMs } = state
  // Return early, because this is nearly always so and reading the health takes longer.
  if (lastTookMs === null || lastTookMs < unresponsiveAfter * state.serviceState.service.policy.timeoutMs) return false
  const { lastOutcome } = state.health
  return lastOutcome === null || countsAsSlow(lastOutcome.reason)
}

function isUnderWay(check: Check): boolean {
  return check.state.check === check
}
