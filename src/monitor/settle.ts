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

/** Takes an outcome into its target's health and counters. */
export function settle(watched: WatchedTarget, outcome: Outcome): void {
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

/** Gives a target another health, and counts it by that among the targets of its service. */
export function replaceHealth(watched: WatchedTarget, after: Health): void {
  const { watchedService, health: before } = watched
  watched.health = after
  // Who is joining is none of its targets yet, and counted with them once it is.
  if (watchedService.joining.length > 0) watchedService.tally = null
  else if (watchedService.tally !== null)
    recount(watchedService.tally, before, after, watchedService.service.policy, watchedService.pauses)
}

/** Looks whether a target reads otherwise than last announced: after an outcome, or because it has gone stale. Returns the changes of status that came of it, the target's before the service's. */
export function review(watched: WatchedTarget, now: number): readonly Transition[] {
  const { watchedService, target } = watched
  const { service } = watchedService
  const from = watched.announced
  const to = targetStatusAt(watched, now).status
  if (to === from || isTargetExcused(watched, now)) return reviewService(watchedService, now)
  watched.announced = to
  const message = explainTarget(watched, now)
  const reason = causeOf(watched, to)
  const transition = { service: service.name, target: target.name, from, to, at: now, reason, message }
  return [transition, ...reviewService(watchedService, now)]
}

/** The reason of the last outcome, if it has to do with a status: a target that went stale has no outcome for its cause. */
function causeOf({ health: { lastOutcome } }: WatchedTarget, status: Status): Reason | null {
  if (lastOutcome === null) return null
  return status === 'unknown' && verdictOf(lastOutcome.reason) !== 'unknown' ? null : lastOutcome.reason
}

/**
 * Looks whether a service reads otherwise than last announced. While one of its targets waits to be checked after a pause of this
 * process, nothing is announced, because that would be two transitions of which neither happened to the service.
 */
export function reviewService(watchedService: WatchedService, now: number): readonly Transition[] {
  const to = serviceStatusAt(watchedService, now)
  if (to === watchedService.announced || isServiceExcused(watchedService, now)) return nothing
  return [turnService(watchedService, to, now)]
}

/**
 * Announces another status of a service. The cause it gives is that its registration expired, else the first target that is down, else
 * the first that counts and is not up.
 */
function turnService(watchedService: WatchedService, to: Status, now: number): Transition {
  const { service, targets, announced: from } = watchedService
  watchedService.announced = to
  watchedService.announcedAt = now
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
    reason: culprit === undefined ? null : causeOf(culprit, reads(culprit)),
    message: `${up} of ${targets.length} targets up${notYet}${cause ?? ''}`,
  }
}

/** The last that is heard of a service: it is no longer registered, so from now on nothing is known of it. */
export function farewell({ service, announced }: WatchedService, cause: string, at: number): Transition {
  return { service: service.name, target: null, from: announced, to: 'unknown', at, reason: null, message: cause }
}
