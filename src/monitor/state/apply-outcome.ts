import { isSlowLookUp } from '../../domain/check/advice.ts'
import { completedHandshake, type Outcome, type Reason, verdictOf } from '../../domain/check/outcome.ts'
import { type Health, nextHealth } from '../../domain/health/health.ts'
import type { Status } from '../../domain/health/status.ts'
import type { Transition } from '../../domain/health/transition.ts'
import { explainExpiry } from '../../domain/service/lifetime.ts'
import {
  countsOf,
  effectiveServiceStatus,
  effectiveTargetStatus,
  explainTarget,
  isServiceExcused,
  isTargetExcused,
  isTargetPending,
  pendingOf,
  type ServiceState,
  type TargetState,
} from './state.ts'
import { updateCounts } from './status-counts.ts'

const noTransitions: readonly Transition[] = []

/** Applies an outcome to the health and the counters of a target. */
export function applyOutcome(state: TargetState, outcome: Outcome): void {
  const { service, pauses } = state.serviceState
  replaceHealth(state, nextHealth(state.health, outcome, service.policy, pauses))
  state.serviceState.revision++
  state.checks++
  const verdict = verdictOf(outcome.reason)
  if (verdict === 'down') state.failures++
  if (verdict === 'up') state.connectMs += outcome.latencyMs ?? 0
  state.synRetransmits += outcome.synRetransmits ?? 0
  if (outcome.synRetransmits && completedHandshake(outcome.reason)) state.lossAt = outcome.endedAt
  if (outcome.lookupMs !== null) addLookUp(state, outcome.lookupMs, outcome.endedAt)
}

function addLookUp(state: TargetState, lookupMs: number, endedAt: number): void {
  state.lookupTotalMs += lookupMs
  if (isSlowLookUp(lookupMs, state.serviceState.service.policy)) state.slowLookupAt = endedAt
}

/** Replaces the health of a target, and updates the status counts of its service. */
export function replaceHealth(state: TargetState, after: Health): void {
  const { serviceState, health: before } = state
  state.health = after
  // A target that is joining is not in the counts yet, so drop the counts instead of updating them.
  if (serviceState.joining.length > 0) serviceState.statusCounts = null
  else if (serviceState.statusCounts !== null)
    updateCounts(serviceState.statusCounts, before, after, serviceState.service.policy, serviceState.pauses)
}

/** Compares the effective status of a target with the last emitted one. Returns the transitions that follow, the target's before the service's. */
export function detectTransitions(state: TargetState, now: number): readonly Transition[] {
  const { serviceState, target } = state
  const { service } = serviceState
  const from = state.emittedStatus
  const to = effectiveTargetStatus(state, now).status
  if (to === from || isTargetExcused(state, now)) return detectServiceTransition(serviceState, now)
  state.emittedStatus = to
  const message = explainTarget(state, now)
  const reason = reasonFor(state, to)
  const transition = { service: service.name, target: target.name, from, to, at: now, reason, message }
  return [transition, ...detectServiceTransition(serviceState, now)]
}

/** Returns the reason of the last outcome, if it explains a status. When a target went stale, no outcome is the cause. */
function reasonFor({ health: { lastOutcome } }: TargetState, status: Status): Reason | null {
  if (lastOutcome === null) return null
  return status === 'unknown' && verdictOf(lastOutcome.reason) !== 'unknown' ? null : lastOutcome.reason
}

/**
 * Compares the status of a service with the last emitted one. While one of its targets waits for its check after a pause of this process, there
 * is no transition. Otherwise the pause would cause two transitions, and neither of them happened to the service.
 */
export function detectServiceTransition(serviceState: ServiceState, now: number): readonly Transition[] {
  const to = effectiveServiceStatus(serviceState, now)
  if (to === serviceState.emittedStatus || isServiceExcused(serviceState, now)) return noTransitions
  return [recordServiceTransition(serviceState, to, now)]
}

/**
 * Records another status of a service, and returns the transition. Its cause is the expired registration, else the first target that is down,
 * else the first target that counts and is not up.
 */
function recordServiceTransition(serviceState: ServiceState, to: Status, now: number): Transition {
  const { service, targets, emittedStatus: from } = serviceState
  serviceState.emittedStatus = to
  serviceState.emittedAt = now
  const { expiredTtlMs } = service
  if (expiredTtlMs !== null) {
    const message = explainExpiry(expiredTtlMs)
    return { service: service.name, target: null, from, to, at: now, reason: 'expired', message }
  }
  const reads = (target: TargetState) => effectiveTargetStatus(target, now).status
  const isAtFault = (target: TargetState) => reads(target) !== 'up' && !isTargetPending(target, now)
  const targetAtFault = targets.find((target) => reads(target) === 'down') ?? targets.find(isAtFault)
  const cause = targetAtFault && `; ${targetAtFault.target.name}: ${explainTarget(targetAtFault, now)}`
  const { up } = countsOf(serviceState, now)
  const pending = pendingOf(serviceState, now)
  const notYet = pending === 0 ? '' : `, ${pending} not checked yet`
  return {
    service: service.name,
    target: null,
    from,
    to,
    at: now,
    reason: targetAtFault === undefined ? null : reasonFor(targetAtFault, reads(targetAtFault)),
    message: `${up} of ${targets.length} targets up${notYet}${cause ?? ''}`,
  }
}

/** Returns the last transition of a service that is no longer registered. Its status is unknown from then on. */
export function removalTransition({ service, emittedStatus }: ServiceState, cause: string, at: number): Transition {
  return { service: service.name, target: null, from: emittedStatus, to: 'unknown', at, reason: null, message: cause }
}
