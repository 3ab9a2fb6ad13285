import fastq, { type done } from 'fastq'
import type { DialRules } from '../domain/dial-rules.ts'
import { type Outcome, verdictOf } from '../domain/outcome.ts'
import type { Prober } from '../prober/prober.ts'
import type { Check, WatchedTarget } from './watch.ts'

/** Checks that wait until there is room for them, and are then carried out. */
export type Turns = {
  /** Wants a check of a target that has none: because of its beat at the instant `due`, or, null, because somebody asks. Who asks goes first. */
  begin(watched: WatchedTarget, due: number | null): Check
  /** Somebody asks for a check that may still wait for its turn: then it goes to the front. */
  hurry(check: Check): void
  stats(): { inFlight: number; waiting: number }
  /** How much longer than its timeout a check has been under way that was looked at before, at an instant; 0 where it ended. */
  overdueMs(now: number): number
}

/** How much of what may be under way is for targets that let a check wait until its deadline: the others would wait behind them. */
const silentShare = 0.5

/** `maxInFlight` bounds the checks under way at once. `take` is given what came of each whose target is still registered, before those who wait for it are called. */
export function createTurns({
  prober,
  maxInFlight,
  dialRules,
  take,
}: {
  prober: Prober
  maxInFlight: number
  /** What may be dialled now for services that are registered over HTTP. */
  dialRules: () => DialRules
  take: (check: Check, outcome: Outcome) => void
}): Turns {
  const queue = fastq<unknown, Check>(takeTurn, maxInFlight)
  /** Where those of silent targets wait first. */
  const gate = fastq<unknown, Check>(passGate, Math.max(1, Math.floor(maxInFlight * silentShare)))
  let waiting = 0
  /** The check that began last. */
  let newest: Check | null = null
  /** One that was under way when it was first looked at. */
  let looked: { readonly check: Check; readonly at: number } | null = null

  function passGate(check: Check, giveWay: done): void {
    // Somebody asked for it since, and it went past.
    if (check.hasBegun) {
      queueMicrotask(() => giveWay(null))
      return
    }
    check.leaveGate = () => giveWay(null)
    queue.push(check, ignore)
  }

  function takeTurn(check: Check, giveWay: done): void {
    const { watched, hasBegun } = check
    // Somebody asked for it since: it went to the front, and this is its old place.
    if (hasBegun) {
      queueMicrotask(() => giveWay(null))
      return
    }
    check.hasBegun = true
    check.known = watched.health.lastOutcome
    newest = check
    waiting--
    if (watched.retired) {
      end(check)
      queueMicrotask(() => giveWay(null))
      return
    }
    const { origin, policy } = watched.watchedService.service
    const { timeoutMs, close } = policy
    // Whoever waits for its turn waits for those under way to end.
    const urgent = check.due === null || waiting > 0
    const rules = origin === 'http' ? dialRules() : null
    prober.check({ target: watched.target, timeoutMs, close, urgent, rules }, (outcome) => {
      if (outcome !== undefined && !watched.retired) take(check, outcome)
      end(check)
      giveWay(null)
    })
  }

  function end({ watched, callers, leaveGate }: Check): void {
    watched.check = null
    if (leaveGate !== null) queueMicrotask(leaveGate)
    if (callers !== null) for (const caller of callers) caller()
  }

  return {
    begin(watched, due) {
      const check: Check = { watched, due, hasBegun: false, known: null, callers: null, leaveGate: null }
      watched.check = check
      waiting++
      if (due === null) queue.unshift(check, ignore)
      else if (isSilent(watched)) gate.push(check, ignore)
      else queue.push(check, ignore)
      return check
    },
    hurry(check) {
      if (check.hasBegun || check.due === null) return
      check.due = null
      queue.unshift(check, ignore)
    },
    stats: () => ({ inFlight: queue.running(), waiting }),
    overdueMs(now) {
      if (looked !== null && !isUnderWay(looked.check)) looked = null
      // To look at one now and then is enough: a prober that is stuck ends none.
      if (looked === null && newest !== null && isUnderWay(newest)) looked = { check: newest, at: now }
      if (looked === null) return 0
      const { timeoutMs } = looked.check.watched.watchedService.service.policy
      return Math.max(0, now - looked.at - timeoutMs)
    },
  }
}

/** Whether a target is down and answers nothing, so that a check of it lasts as long as it may. */
function isSilent({ health: { status, lastOutcome } }: WatchedTarget): boolean {
  return (
    status === 'down' &&
    lastOutcome !== null &&
    lastOutcome.latencyMs === null &&
    verdictOf(lastOutcome.reason) === 'down'
  )
}

function isUnderWay(check: Check): boolean {
  return check.watched.check === check
}

/** What the queue is to call after each check: whoever waits for one is called by `end`. */
function ignore(): void {}
