import type { Addresses } from '../domain/addresses.ts'
import { explain } from '../domain/explanation.ts'
import { type Health, isExcused, statusAt } from '../domain/health.ts'
import type { Pauses } from '../domain/pause.ts'
import { isPending } from '../domain/pending.ts'
import { statusOf } from '../domain/quorum.ts'
import type { Service } from '../domain/service.ts'
import type { Counts, Status } from '../domain/status.ts'
import type { Target } from '../domain/target.ts'
import { countAll, countsSameUntil, holds, holdsUntil, type Tally } from './tally.ts'

/** A target of a service, with what is remembered of it. One object for as long as the service has the target. */
export type WatchedTarget = {
  /** Its place in columns; no other target has it until this one is gone, and has been told of as gone. */
  slot: number
  target: Target
  readonly watchedService: WatchedService
  health: Health
  /** When its last outcome ended, as its health says; null while there is none. */
  readonly lastEndedAt: number | null
  /** How long its last check took, in milliseconds; null while there is none. */
  readonly lastTookMs: number | null
  /** The status last announced by a transition. */
  announced: Status
  /** The check under way, or asked for; or that its beat came, and waits for its turn. */
  check: Check | 'waiting' | null
  /** When the beat came that waits for its turn: an instant of the clock. */
  dueAt: number
  /** The service has it no longer: what still comes in for it is dropped. */
  retired: boolean
  checks: number
  /** Outcomes that said down. */
  failures: number
  /** The sum of all handshake times, in milliseconds. */
  connectMs: number
  synRetransmits: number
  /** When a handshake last needed a second SYN; null when none ever did. An instant of the clock, in milliseconds. */
  lossAt: number | null
  /** The sum of the times that checks waited for look-ups of its name, in milliseconds. */
  lookupTotalMs: number
  /** When a look-up of its name last took more than half of the timeout; null when none did. An instant of the clock, in milliseconds. */
  slowLookupAt: number | null
}

/** What is remembered of a target, apart from what it is. */
export type TargetMemory = Pick<
  WatchedTarget,
  | 'health'
  | 'announced'
  | 'checks'
  | 'failures'
  | 'connectMs'
  | 'synRetransmits'
  | 'lossAt'
  | 'lookupTotalMs'
  | 'slowLookupAt'
>

/** What is remembered of a service, apart from what it is. */
export type ServiceMemory = Pick<WatchedService, 'announced' | 'announcedAt' | 'addresses'>

/** One check of a target, from when it begins or is asked for until its outcome counts. */
export type Check = {
  readonly watched: WatchedTarget
  /** The instant of the beat that wants it; null once somebody asked for it. */
  due: number | null
  hasBegun: boolean
  /** When the last outcome ended that was known when it began; null when there was none. */
  known: number | null
  /** Who waits for its end; null when nobody does. */
  callers: (() => void)[] | null
}

/** Who checks a service, where replicas share the work: its name, and whether it does so because it cannot reach the others. */
export type Checker = { readonly replica: string; readonly solo: boolean }

/** A registered service, with what is remembered of its targets. One object for as long as it is registered. */
export type WatchedService = {
  /** Its place in columns; no other service has it until this one is gone, and has been told of as gone. */
  slot: number
  service: Service
  targets: readonly WatchedTarget[]
  /**
   * When the target checked longest ago was checked; null while one never was. An instant of the clock; infinity where there is none. A target
   * that joined a checked service and is not checked yet is left out, unless there is no other.
   */
  readonly checkedAt: number | null
  /** What its names stand for; empty unless it wants all addresses of them. */
  addresses: Addresses
  /**
   * Since when look-ups of its names fail, of those whose do: instants of the clock by the name as configured. Null until this replica
   * has looked them up itself since it covers the service.
   */
  failingLookUps: ReadonlyMap<string, number> | null
  /** Addresses that were found and are being checked for the first time: targets from then on. */
  joining: readonly WatchedTarget[]
  announced: Status
  announcedAt: number | null
  /** Taken out of service by its operator, whatever its targets say; they are checked all the same. */
  drained: boolean
  /** Null where this process is alone, or nobody does. */
  checkedBy: Checker | null
  /** Grows with everything that can change how the service reads, but for the passing of time. */
  revision: number
  /** How the service reads until `readsUntil`, as it was found when somebody looked last. */
  readsAs: Status
  /** An instant of the clock; 0 where nobody has looked since the revision grew. */
  readsUntil: number
  /** Null where its targets are to be counted anew, or are so few that they always are. */
  tally: Tally | null
  /** When checks could confirm nothing, which is the same for all services. */
  readonly pauses: Pauses
}

/** To count fewer targets than this anew takes no longer than to keep count of them. */
const fewestTallied = 4

/** Returns the status of a target at an instant, and since when it has it. */
export function targetStatusAt(
  { health, watchedService }: WatchedTarget,
  now: number,
): Pick<Health, 'status' | 'since'> {
  return statusAt(health, watchedService.service.policy, now, watchedService.pauses)
}

/** Returns until when a target has the status that it has now, and counts as it does, if no outcome comes in; `now` once it is stale. */
export function targetReadsSameUntil({ health, watchedService }: WatchedTarget, now: number): number {
  return countsSameUntil(health, watchedService.service.policy, now, watchedService.pauses)
}

/** Returns one sentence for people on why a target has the status that it has at an instant. */
export function explainTarget({ target, health, watchedService }: WatchedTarget, now: number): string {
  return explain(health, watchedService.service.policy, target, now, watchedService.pauses)
}

/** Tells whether a target does not count, because it was added and is not checked yet. */
export function isTargetPending({ health, watchedService }: WatchedTarget, now: number): boolean {
  return isPending(health, watchedService.service.policy, now, watchedService.pauses)
}

/** Whether a target is reported as unknown only because this process did not run. */
export function isTargetExcused({ health, watchedService }: WatchedTarget, now: number): boolean {
  return isExcused(health, watchedService.service.policy, now, watchedService.pauses)
}

/** Whether the status of a service waits for a target that is reported as unknown only because this process did not run. */
export function isServiceExcused(watched: WatchedService, now: number): boolean {
  const { pauses, targets, service } = watched
  // An expired one is down, whatever its targets say.
  if (service.expiredTtlMs !== null) return false
  if (pauses.ofProcess.length === 0 || countsOf(watched, now).unknown === 0) return false
  return targets.some((target) => isTargetExcused(target, now))
}

/** How a service reads at an instant. */
export type ServiceStanding = { readonly status: Status; readonly since: number | null; readonly counts: Counts }

/** The status of a service over its targets as they read now. */
export function standingOf(watched: WatchedService, now: number): ServiceStanding {
  const tally = tallyOf(watched, now)
  const counts = { ...tally.counts }
  const status = statusBy(tally, watched, now)
  if (status === watched.announced) return { status, since: watched.announcedAt, counts }
  let latest = Number.NEGATIVE_INFINITY
  for (const target of watched.targets) latest = Math.max(latest, targetStatusAt(target, now).since ?? latest)
  return { status, since: Number.isFinite(latest) ? latest : null, counts }
}

/** The status alone, which is all that is to be known after most outcomes; and, of services that are up, to who asks for all of them. */
export function serviceStatusAt(watched: WatchedService, now: number): Status {
  if (now < watched.readsUntil) return watched.readsAs
  const tally = tallyOf(watched, now)
  const status = statusBy(tally, watched, now)
  watched.readsAs = status
  watched.readsUntil = watched.tally === tally ? holdsUntil(tally) : tally.until
  return status
}

function statusBy({ counts, pending }: Tally, watched: WatchedService, now: number): Status {
  const { policy, quorum, expiredTtlMs } = watched.service
  if (expiredTtlMs !== null) return 'down'
  if (policy.unread.includes('quorum')) return 'unknown'
  const counted = statusOf(counts, quorum, pending)
  return counted === 'down' && mayHaveMore(watched, now) ? 'unknown' : counted
}

/** How many of its targets read as what. Not to be kept: the numbers change with what comes in. */
export function countsOf(watched: WatchedService, now: number): Readonly<Counts> {
  return tallyOf(watched, now).counts
}

/** Returns how many of its targets do not count, because they were added and are not checked yet. */
export function pendingOf(watched: WatchedService, now: number): number {
  return tallyOf(watched, now).pending
}

/** Has a service be counted anew when it is asked for next: for who is not told again of what a count that is kept leaves out. */
export function forgetCounts(watched: WatchedService): void {
  watched.tally = null
  watched.readsUntil = 0
}

function tallyOf(watched: WatchedService, now: number): Tally {
  const { targets, service, tally } = watched
  if (tally !== null && holds(tally, now)) return tally
  const anew = countAll(targets, service.policy, now, watched.pauses)
  if (targets.length >= fewestTallied) watched.tally = anew
  return anew
}

/** Whether a quorum that those found so far cannot meet may still be met: a name that is not resolved yet may stand for any number. */
function mayHaveMore({ service, targets }: WatchedService, now: number): boolean {
  if (service.resolve === 'first' || service.quorum === 'all') return false
  return targets.some((watched) => watched.target.address === null && targetStatusAt(watched, now).status !== 'down')
}
