import { explain } from '../../domain/check/explanation.ts'
import { effectiveStatus, type Health, isExcused } from '../../domain/health/health.ts'
import type { Pauses } from '../../domain/health/pause.ts'
import { isPending } from '../../domain/health/pending.ts'
import type { Counts, Status } from '../../domain/health/status.ts'
import { statusOf } from '../../domain/service/quorum.ts'
import type { Service } from '../../domain/service/service.ts'
import type { Addresses } from '../../domain/target/addresses.ts'
import type { Target } from '../../domain/target/target.ts'
import { countTargets, countValidUntil, isCurrent, type StatusCounts, validUntil } from './status-counts.ts'

/** A target of a service, with its state. There is one object for as long as the service has the target. */
export type TargetState = {
  /** The slot of the target in columns. No other target gets it until this one is gone and its removal was emitted. */
  slot: number
  target: Target
  readonly serviceState: ServiceState
  health: Health
  /** When the last outcome ended, as in the health; null if there is none. */
  readonly lastEndedAt: number | null
  /** How long the last check took, in milliseconds; null if there is none. */
  readonly lastTookMs: number | null
  /** The status of the last emitted transition. */
  emittedStatus: Status
  /** The check that is under way or that a caller requested; `waiting` for a scheduled check in the queue. */
  check: Check | 'waiting' | null
  /** When the scheduled check in the queue was due: an instant of the clock. */
  dueAt: number
  /** True once the service no longer has the target. Outcomes that still arrive are dropped. */
  retired: boolean
  checks: number
  /** The number of outcomes with the verdict down. */
  failures: number
  /** The sum of all handshake times, in milliseconds. */
  connectMs: number
  synRetransmits: number
  /** When a handshake last needed a second SYN; null if none ever did. An instant of the clock, in milliseconds. */
  lossAt: number | null
  /** The sum of the times for which checks waited for look-ups of the name, in milliseconds. */
  lookupTotalMs: number
  /** When a look-up of the name last took more than half of the timeout; null if none did. An instant of the clock, in milliseconds. */
  slowLookupAt: number | null
}

/** The state of a target, without its definition. */
export type TargetSnapshot = Pick<
  TargetState,
  | 'health'
  | 'emittedStatus'
  | 'checks'
  | 'failures'
  | 'connectMs'
  | 'synRetransmits'
  | 'lossAt'
  | 'lookupTotalMs'
  | 'slowLookupAt'
>

/** The state of a service, without its definition. */
export type ServiceSnapshot = Pick<ServiceState, 'emittedStatus' | 'emittedAt' | 'addresses'>

/** A check of a target, from its start or request until its outcome is applied. */
export type Check = {
  readonly state: TargetState
  /** The instant at which the check was due by the schedule; null once a caller requested it. */
  due: number | null
  hasBegun: boolean
  /** When the last outcome before the start of the check ended; null if there was none. */
  known: number | null
  /** Called when the check ends; null if no caller waits. */
  callers: (() => void)[] | null
}

/** The replica that checks a service: its name, and whether it is solo because it cannot reach the others. */
export type Checker = { readonly replica: string; readonly solo: boolean }

/** A registered service, with the state of its targets. There is one object for as long as it is registered. */
export type ServiceState = {
  /** The slot of the service in columns. No other service gets it until this one is gone and its removal was emitted. */
  slot: number
  service: Service
  targets: readonly TargetState[]
  /**
   * When the target with the oldest check was checked: an instant of the clock. Null while a target was never checked, infinity without
   * targets. A target that joined a checked service and is not checked yet is left out, unless there is no other.
   */
  readonly checkedAt: number | null
  /** The addresses of its names; empty without `resolve: all`. */
  addresses: Addresses
  /**
   * The names whose look-ups fail, as configured, each with the instant of the clock since when. Null until this replica owns the service and
   * has looked up its names.
   */
  failingLookUps: ReadonlyMap<string, number> | null
  /** New addresses that are being checked for the first time, and become targets afterwards. */
  joining: readonly TargetState[]
  emittedStatus: Status
  emittedAt: number | null
  /** True while an operator has drained the service. Its targets are checked all the same. */
  drained: boolean
  /** Null if this process has no other replicas, or if no replica checks the service. */
  checkedBy: Checker | null
  /** Grows with everything that can change the status of the service, except the passing of time. */
  revision: number
  /** The cached status, as last computed. */
  cachedStatus: Status
  /** Until when the cached status is valid: an instant of the clock; 0 if the revision grew since the status was computed. */
  cachedUntil: number
  /** The cached status counts. Null if the targets must be counted, or are too few to cache their counts. */
  statusCounts: StatusCounts | null
  /** The pauses in which checks could confirm nothing. All services share them. */
  readonly pauses: Pauses
}

/** Services with fewer targets than this do not cache their status counts, because counting is as fast as updating a cache. */
const minCachedTargets = 4

/** Returns the effective status of a target at an instant, and since when it has that status. */
export function effectiveTargetStatus(
  { health, serviceState }: TargetState,
  now: number,
): Pick<Health, 'status' | 'since'> {
  return effectiveStatus(health, serviceState.service.policy, now, serviceState.pauses)
}

/** Returns until when a target counts as it does now, if no outcome comes in; `now` once it is stale. */
export function targetStatusValidUntil({ health, serviceState }: TargetState, now: number): number {
  return countValidUntil(health, serviceState.service.policy, now, serviceState.pauses)
}

/** Returns one sentence for people that says why a target has its status at an instant. */
export function explainTarget({ target, health, serviceState }: TargetState, now: number): string {
  return explain(health, serviceState.service.policy, target, now, serviceState.pauses)
}

/** Returns whether a target does not count, because it was added and is not checked yet. */
export function isTargetPending({ health, serviceState }: TargetState, now: number): boolean {
  return isPending(health, serviceState.service.policy, now, serviceState.pauses)
}

/** Returns whether a target is reported as unknown only because this process did not run. */
export function isTargetExcused({ health, serviceState }: TargetState, now: number): boolean {
  return isExcused(health, serviceState.service.policy, now, serviceState.pauses)
}

/** Returns whether the status of a service waits for a target that is reported as unknown only because this process did not run. */
export function isServiceExcused(state: ServiceState, now: number): boolean {
  const { pauses, targets, service } = state
  // An expired service is down. The status of its targets does not matter.
  if (service.expiredTtlMs !== null) return false
  if (pauses.ofProcess.length === 0 || countsOf(state, now).unknown === 0) return false
  return targets.some((target) => isTargetExcused(target, now))
}

/** The status of a service at an instant, since when it has it, and the status counts of its targets. */
export type CurrentStatus = { readonly status: Status; readonly since: number | null; readonly counts: Counts }

/** Returns the current status of a service, by the effective status of its targets at `now`. */
export function currentStatusOf(state: ServiceState, now: number): CurrentStatus {
  const statusCounts = statusCountsOf(state, now)
  const counts = { ...statusCounts.counts }
  const status = statusBy(statusCounts, state, now)
  if (status === state.emittedStatus) return { status, since: state.emittedAt, counts }
  let latest = Number.NEGATIVE_INFINITY
  for (const target of state.targets) latest = Math.max(latest, effectiveTargetStatus(target, now).since ?? latest)
  return { status, since: Number.isFinite(latest) ? latest : null, counts }
}

/** Returns the status alone, from the cache if possible. Most outcomes need no more, and neither do requests for all services. */
export function effectiveServiceStatus(state: ServiceState, now: number): Status {
  if (now < state.cachedUntil) return state.cachedStatus
  const statusCounts = statusCountsOf(state, now)
  const status = statusBy(statusCounts, state, now)
  state.cachedStatus = status
  state.cachedUntil = state.statusCounts === statusCounts ? validUntil(statusCounts) : statusCounts.until
  return status
}

function statusBy({ counts, pending }: StatusCounts, state: ServiceState, now: number): Status {
  const { policy, quorum, expiredTtlMs } = state.service
  if (expiredTtlMs !== null) return 'down'
  if (policy.unread.includes('quorum')) return 'unknown'
  const counted = statusOf(counts, quorum, pending)
  return counted === 'down' && mayHaveMore(state, now) ? 'unknown' : counted
}

/** Returns how many targets have each status. Callers must not store the object, because later outcomes change its numbers. */
export function countsOf(state: ServiceState, now: number): Readonly<Counts> {
  return statusCountsOf(state, now).counts
}

/** Returns how many targets do not count, because they were added and are not checked yet. */
export function pendingOf(state: ServiceState, now: number): number {
  return statusCountsOf(state, now).pending
}

/** Drops the cached counts and status. Callers use this when a target goes stale or a pause extends its trust, because neither emits an event. */
export function dropCachedCounts(state: ServiceState): void {
  state.statusCounts = null
  state.cachedUntil = 0
}

function statusCountsOf(state: ServiceState, now: number): StatusCounts {
  const { targets, service, statusCounts } = state
  if (statusCounts !== null && isCurrent(statusCounts, now)) return statusCounts
  const fresh = countTargets(targets, service.policy, now, state.pauses)
  if (targets.length >= minCachedTargets) state.statusCounts = fresh
  return fresh
}

/** Returns whether a quorum that the known targets miss may still be met. A name that is not resolved yet may have any number of addresses. */
function mayHaveMore({ service, targets }: ServiceState, now: number): boolean {
  if (service.resolve === 'first' || service.quorum === 'all') return false
  return targets.some((state) => state.target.address === null && effectiveTargetStatus(state, now).status !== 'down')
}
