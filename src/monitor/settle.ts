import { isSlowLookUp } from '../domain/advice.ts'
import { type Health, nextHealth } from '../domain/health.ts'
import { explainExpiry } from '../domain/lifetime.ts'
import { type Outcome, type Reason, verdictOf } from '../domain/outcome.ts'
import type { Status } from '../domain/status.ts'
import type { Transition } from '../domain/transition.ts'
import { recount } from './tally.ts'
import {
  countsOf,
  explainTarget,
  isServiceExcused,
  isTargetExcused,
  isTargetPending,
  pendingOf,
  serviceStatusAt,
  targetStatusAt,
  type WatchedService,
  type WatchedTarget,
} from './watch.ts'

const nothing: readonly Transition[] = []

/** Applies an outcome to the health and the counters of a target. */
export function applyOutcome(watched: WatchedTarget, outcome: Outcome): void {
  const { service, pauses } = watched.watchedService
  replaceHealth(watched, nextHealth(watched.health, outcome, service.policy, pauses))
  watched.watchedService.revision++
  watched.checks++
  if (verdictOf(outcome.reason) === 'down') watched.failures++
  if (outcome.reason === 'connected') watched.connectMs += outcome.latencyMs ?? 0
  watched.synRetransmits += outcome.synRetransmits ?? 0
  if (outcome.reason === 'connected' && outcome.synRetransmits) watched.lossAt = outcome.endedAt
  if (outcome.lookupMs !== null) addLookUp(watched, outcome.lookupMs, outcome.endedAt)
}

function addLookUp(watched: WatchedTarget, lookupMs: number, endedAt: number): void {
  watched.lookupTotalMs += lookupMs
  if (isSlowLookUp(lookupMs, watched.watchedService.service.policy)) watched.slowLookupAt = endedAt
}

/** Replaces the health of a target, and updates the status counts of its service. */
export function replaceHealth(watched: WatchedTarget, after: Health): void {
  const { watchedService, health: before } = watched
  watched.health = after
  // A target that is joining is not in the counts yet, so drop the counts instead of updating them.
  if (watchedService.joining.length > 0) watchedService.tally = null
  else if (watchedService.tally !== null)
    recount(watchedService.tally, before, after, watchedService.service.policy, watchedService.pauses)
}

/** Compares the effective status of a target with the last emitted one. Returns the transitions that follow, the target's before the service's. */
export function detectTransitions(watched: WatchedTarget, now: number): readonly Transition[] {
  const { watchedService, target } = watched
  const { service } = watchedService
  const from = watched.emittedStatus
  const to = targetStatusAt(watched, now).status
  if (to === from || isTargetExcused(watched, now)) return detectServiceTransition(watchedService, now)
  watched.emittedStatus = to
  const message = explainTarget(watched, now)
  const reason = reasonFor(watched, to)
  const transition = { service: service.name, target: target.name, from, to, at: now, reason, message }
  return [transition, ...detectServiceTransition(watchedService, now)]
}

/** Returns the reason of the last outcome, if it explains a status. When a target went stale, no outcome is the cause. */
function reasonFor({ health: { lastOutcome } }: WatchedTarget, status: Status): Reason | null {
  if (lastOutcome === null) return null
  return status === 'unknown' && verdictOf(lastOutcome.reason) !== 'unknown' ? null : lastOutcome.reason
}

/**
 * Compares the status of a service with the last emitted one. While one of its targets waits for its check after a pause of this process, there
 * is no transition. Otherwise the pause would cause two transitions, and neither of them happened to the service.
 */
export function detectServiceTransition(watchedService: WatchedService, now: number): readonly Transition[] {
  const to = serviceStatusAt(watchedService, now)
  if (to === watchedService.emittedStatus || isServiceExcused(watchedService, now)) return nothing
  return [recordServiceTransition(watchedService, to, now)]
}

/**
 * Records another status of a service, and returns the transition. Its cause is the expired registration, else the first target that is down,
 * else the first target that counts and is not up.
 */
function recordServiceTransition(watchedService: WatchedService, to: Status, now: number): Transition {
  const { service, targets, emittedStatus: from } = watchedService
  watchedService.emittedStatus = to
  watchedService.emittedAt = now
  const { expiredTtlMs } = service
  if (expiredTtlMs !== null) {
    const message = explainExpiry(expiredTtlMs)
    return { service: service.name, target: null, from, to, at: now, reason: 'expired', message }
  }
  const reads = (target: WatchedTarget) => targetStatusAt(target, now).status
  const isAtFault = (target: WatchedTarget) => reads(target) !== 'up' && !isTargetPending(target, now)
  const culprit = targets.find((target) => reads(target) === 'down') ?? targets.find(isAtFault)
  const cause = culprit && `; ${culprit.target.name}: ${explainTarget(culprit, now)}`
  const { up } = countsOf(watchedService, now)
  const pending = pendingOf(watchedService, now)
  const notYet = pending === 0 ? '' : `, ${pending} not checked yet`
  return {
    service: service.name,
    target: null,
    from,
    to,
    at: now,
    reason: culprit === undefined ? null : reasonFor(culprit, reads(culprit)),
    message: `${up} of ${targets.length} targets up${notYet}${cause ?? ''}`,
  }
}

/** Returns the last transition of a service that is no longer registered. Its status is unknown from then on. */
export function removalTransition({ service, emittedStatus }: WatchedService, cause: string, at: number): Transition {
  return { service: service.name, target: null, from: emittedStatus, to: 'unknown', at, reason: null, message: cause }
}
