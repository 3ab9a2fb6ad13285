import type { DialRules } from '../domain/dial-rules.ts'
import type { Outcome } from '../domain/outcome.ts'
import { isInterrupted, noPauses, type Pauses, pausedMs } from '../domain/pause.ts'
import type { Prober } from '../prober/prober.ts'
import { createQueue, type Queue } from '../queue.ts'
import type { Check, WatchedTarget } from './watch.ts'

/** Checks that wait until there is room for them, and are then carried out. */
export type Turns = {
  /** Wants a check of a target that has none, because of its beat at the instant `due`. */
  begin(watched: WatchedTarget, due: number): void
  /** Somebody asks for a check: one that has not begun goes before all that wait because of their beats. */
  ask(watched: WatchedTarget): Check
  stats(): { inFlight: number; waiting: number }
  /** How much longer than its timeout a check has been under way that was looked at before, at an instant; 0 where it ended. */
  overdueMs(now: number): number
}

/**
 * How much of what may be under way is for beats of targets that let a check wait, behind which the others would wait; how much for checks
 * of them that somebody asks for; and how much for both together, so that neither waits until the others are through.
 */
const silentShare = 0.5
const silentShareInAll = 0.75
/** Who lets a check wait for so much of its timeout, and then does not connect, lets the next wait as well. */
const silentAfter = 0.5

/** `maxInFlight` bounds the checks under way at once. `take` is given what came of each whose target is still registered, before those who wait for it are called. */
export function createTurns({
  prober,
  maxInFlight,
  dialRules,
  take,
  pauses = noPauses,
}: {
  prober: Prober
  maxInFlight: number
  /** What may be dialled now for services that are registered over HTTP. */
  dialRules: () => DialRules
  take: (check: Check, outcome: Outcome) => void
  /** When checks could confirm nothing, as it is known at any time. */
  pauses?: Pauses
}): Turns {
  const asked = createQueue<Check>()
  const askedSilent = createQueue<Check>()
  // A target that waits is not an object more: where much more is due than can be done, nearly all of them wait.
  const answering = createQueue<WatchedTarget>()
  const silent = createQueue<WatchedTarget>()
  const mostSilent = Math.max(1, Math.floor(maxInFlight * silentShare))
  const mostSilentInAll = Math.max(1, Math.floor(maxInFlight * silentShareInAll))
  let inFlight = 0
  /** Of targets that let a check wait: those that somebody asked for, and those of their beats. */
  const silentInFlight = { asked: 0, beats: 0 }
  let waiting = 0
  /** The check that began last. */
  let newest: Check | null = null
  let newestTimeoutMs = 0
  /** One that was under way when it was first looked at. */
  let looked: { readonly check: Check; readonly at: number; readonly timeoutMs: number } | null = null

  function fill(): void {
    while (inFlight < maxInFlight) {
      const check = asked.shift()
      if (check !== undefined) {
        start(check, false)
        continue
      }
      const checkOfSilent = maySilentBegin('asked') ? askedSilent.shift() : undefined
      if (checkOfSilent !== undefined) {
        start(checkOfSilent, true)
        continue
      }
      const queue = nextQueue()
      const watched = queue?.shift()
      if (watched === undefined) return
      watched.check = { watched, due: watched.dueAt, hasBegun: false, known: null, callers: null }
      start(watched.check, queue === silent)
    }
  }

  /** Where the one waits whose beat came first of those that may begin; null when there is none. */
  function nextQueue(): Queue<WatchedTarget> | null {
    for (const queue of [answering, silent]) {
      // Somebody asked for it since: this is its old place.
      while (queue.peek()?.check !== 'waiting' && queue.shift() !== undefined);
    }
    const first = answering.peek()
    const firstSilent = maySilentBegin('beats') ? silent.peek() : undefined
    if (firstSilent === undefined) return first === undefined ? null : answering
    return first === undefined || firstSilent.dueAt < first.dueAt ? silent : answering
  }

  function maySilentBegin(kind: keyof typeof silentInFlight): boolean {
    return silentInFlight[kind] < mostSilent && silentInFlight.asked + silentInFlight.beats < mostSilentInAll
  }

  function start(check: Check, isSilent: boolean): void {
    const { watched } = check
    check.hasBegun = true
    waiting--
    if (watched.retired) {
      end(check)
      return
    }
    check.known = watched.lastEndedAt
    const { origin, policy, resolve } = watched.watchedService.service
    const { timeoutMs, close } = policy
    // With `resolve: all` a name is a target only before its first address is known, and once its addresses were given up.
    const lookupHoldMs = resolve === 'all' ? 0 : policy.lookupHoldMs
    newest = check
    newestTimeoutMs = timeoutMs
    inFlight++
    const kind = check.due === null ? 'asked' : 'beats'
    if (isSilent) silentInFlight[kind]++
    // Whoever waits for its turn waits for those under way to end.
    const urgent = check.due === null || waiting > 0
    const rules = origin === 'http' ? dialRules() : null
    const { target } = watched
    prober.check({ target, timeoutMs, close, urgent, rules, memory: watched, lookupHoldMs }, (outcome) => {
      inFlight--
      if (isSilent) silentInFlight[kind]--
      if (outcome === undefined || watched.retired) end(check)
      else if (isInterrupted(outcome, pauses)) repeat(check)
      else {
        take(check, outcome)
        end(check)
      }
      fill()
    })
  }

  /** Checks again what a pause of ours interrupted: its callers wait for that. It goes before all that wait because of their beats. */
  function repeat(check: Check): void {
    check.hasBegun = false
    if (looked?.check === check) looked = null
    waiting++
    const queue = isSilent(check.watched) ? askedSilent : asked
    queue.push(check)
  }

  function end({ watched, callers }: Check): void {
    watched.check = null
    if (callers !== null) for (const caller of callers) caller()
  }

  return {
    begin(watched, due) {
      watched.check = 'waiting'
      watched.dueAt = due
      waiting++
      const queue = isSilent(watched) ? silent : answering
      queue.push(watched)
      fill()
    },
    ask(watched) {
      if (watched.check !== null && watched.check !== 'waiting') return watched.check
      if (watched.check === null) waiting++
      const check: Check = { watched, due: null, hasBegun: false, known: null, callers: null }
      watched.check = check
      const queue = isSilent(watched) ? askedSilent : asked
      queue.push(check)
      fill()
      return check
    },
    stats: () => ({ inFlight, waiting }),
    overdueMs(now) {
      if (looked !== null && !isUnderWay(looked.check)) looked = null
      // To look at one now and then is enough: a prober that is stuck ends none.
      if (looked === null && newest !== null && isUnderWay(newest)) {
        looked = { check: newest, at: now, timeoutMs: newestTimeoutMs }
      }
      if (looked === null) return 0
      // While this process did not run it could not see a check end.
      const ranMs = now - looked.at - pausedMs(pauses.ofProcess, looked.at, now)
      return Math.max(0, ranMs - looked.timeoutMs)
    },
  }
}

/** Whether the last check of a target lasted long and came to nothing, whatever the reason: the next is likely to last as long. */
function isSilent(watched: WatchedTarget): boolean {
  const { lastTookMs } = watched
  // Nearly always, and quicker to see than its health.
  if (lastTookMs === null || lastTookMs < silentAfter * watched.watchedService.service.policy.timeoutMs) return false
  return watched.health.lastOutcome?.reason !== 'connected'
}

function isUnderWay(check: Check): boolean {
  return check.watched.check === check
}
