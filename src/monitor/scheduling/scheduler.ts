import { nextScheduled, phaseOf as phaseOfName } from '../../domain/check/schedule.ts'
import { checkIntervalMs, IntervalKind, intervalAt, intervalKindOf } from '../../domain/health/health.ts'
import { noPauses, type Pause, type Pauses, pausedMs } from '../../domain/health/pause.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Monitor } from '../monitor.ts'
import { type Ownership, ownAll } from '../ownership.ts'
import { createColumns, enumAt, enumColumn, placeOf, rowOf, shortNumberColumn } from '../state/columns.ts'
import type { TargetState } from '../state/state.ts'
import type { Checked } from './checks.ts'
import { createDueQueue } from './due-queue.ts'

/** The first checks are spread over this time, in milliseconds. So a start causes no burst, and callers do not wait for a whole interval. */
const firstSweepMs = 1000
/** Checks that were left out are spread over this time, in milliseconds. A takeover by another replica and a pause of this process leave checks out. */
const catchUpMs = 400
/**
 * The most checks that start in a millisecond, in both cases. The number is about two thirds of the capacity of two cores. More checks would
 * pile up, take memory and delay callers.
 */
const mostPerMs = 25
/** The default tick. Checks that are due within one tick start together at its end, because a hand-over to the prober costs more than a check. */
const defaultTickMs = 40
/** How long the scheduler starts checks before it yields the event loop, in milliseconds. */
const turnMs = 10
/** How many checks the scheduler starts between two reads of the clock. Starting them takes a millisecond. */
const checksPerBatch = 500

/** Scheduler: starts the check of every target of an owned service when the check is due. */
export type Scheduler = {
  start(): void
  stop(): void
  /** Starts the checks that are due. Returns when to call again; null when nothing is scheduled. */
  runDue(): number | null
  /** Returns for how long the oldest check that is due has not been started, in milliseconds. */
  overdueMs(): number
}

export function createScheduler({
  monitor,
  clock,
  ownership = ownAll(),
  tickMs = defaultTickMs,
  pauses = noPauses,
}: {
  monitor: Monitor
  clock: Clock
  ownership?: Ownership
  tickMs?: number
  /** The pauses of this process, up to date at any time. */
  pauses?: Pauses
}): Scheduler {
  const dueQueue = createDueQueue(tickMs)
  const columns = createColumns(() => ({
    phase: shortNumberColumn(),
    /** The interval kind that applies while the target is scheduled. */
    intervalKind: enumColumn(),
  }))
  let timer: NodeJS.Timeout | undefined
  let running = false
  let lastRunAt = clock.now()
  /** The last pause that left checks out, and how many of them have begun since. */
  let catchUp: { readonly pause: Pause | undefined; begun: number } = { pause: undefined, begun: 0 }

  const owns = ({ serviceState }: TargetState) => ownership.owns(serviceState.service.name)

  const phaseOf = ({ slot }: TargetState) => columns.chunkOf(slot).phase[rowOf(slot)] as number
  /** Returns null while the target is not scheduled. */
  const intervalKindAt = ({ slot }: TargetState) =>
    enumAt(IntervalKind, columns.chunkOf(slot).intervalKind, rowOf(slot))

  /** Sets the interval kind that the health of a target asks for, and returns it. */
  function setIntervalKind({ slot, health }: TargetState): IntervalKind {
    const applies = intervalKindOf(health)
    columns.chunkOf(slot).intervalKind[rowOf(slot)] = placeOf(IntervalKind, applies)
    return applies
  }

  function forget({ slot }: TargetState): void {
    dueQueue.remove(slot)
    columns.chunkOf(slot).intervalKind[rowOf(slot)] = placeOf(IntervalKind, null)
  }

  /** Schedules new and changed targets, and removes those that are gone. A change never delays a check. Otherwise endless changes would. */
  function scheduleTargets(targets: readonly TargetState[]): void {
    const now = clock.now()
    const aheadMs = epochAhead()
    for (const state of targets) {
      const intervalMs = checkIntervalMs(state.health, state.serviceState.service.policy)
      if (intervalMs === null || state.retired || !owns(state)) {
        forget(state)
        continue
      }
      if (intervalKindAt(state) === null) columns.chunkOf(state.slot).phase[rowOf(state.slot)] = phaseOfTarget(state)
      setIntervalKind(state)
      const phase = phaseOf(state)
      const scheduledAt = scheduledAfter(now, phase, intervalMs, aheadMs)
      const lastAt = state.health.lastOutcome?.startedAt ?? null
      // Another replica left the previous check out before this one took over, or a shorter interval would have had it by now.
      const isOverdue =
        state.check === null && lastAt !== null && lastAt < scheduledAt - intervalMs - apartMs(state, intervalMs)
      const spreadMs = Math.min(intervalMs, Math.max(isOverdue ? catchUpMs : firstSweepMs, targets.length / mostPerMs))
      const dueAt = lastAt === null || isOverdue ? now + phase * spreadMs : scheduledAt
      dueQueue.put(state.slot, Math.min(dueQueue.dueAt(state.slot), dueAt))
    }
    wake()
  }

  /** Returns how far the wall clock is ahead of the clock. Checks planned together share one value. Otherwise a step of the wall clock would move some. */
  function epochAhead(): number {
    const now = clock.now()
    return clock.toEpoch(now) - now
  }

  /**
   * Returns when the next check after `instant` is due, by an interval kind; null if that has no interval. Counting begins a little later than
   * `instant`, so that the first check and the next one stay apart. Otherwise a timer that fires early would also start a second check.
   */
  function following(state: TargetState, intervalKind: IntervalKind, instant: number, aheadMs: number): number | null {
    const intervalMs = intervalAt(intervalKind, state.serviceState.service.policy)
    if (intervalMs === null) return null
    return scheduledAfter(instant + apartMs(state, intervalMs), phaseOf(state), intervalMs, aheadMs)
  }

  /** Brings the next check forward if an outcome of any replica shortens the interval. A streak against the status is then confirmed sooner. */
  function bringForward({ state }: Pick<Checked, 'state'>): void {
    const before = intervalKindAt(state)
    if (before === null) return
    const applies = setIntervalKind(state)
    // Nearly always the interval kind stays the same, and so does the planned check.
    if (applies === before) return
    const dueAt = following(state, applies, clock.now(), epochAhead())
    if (dueAt === null || dueAt >= dueQueue.dueAt(state.slot)) return
    dueQueue.put(state.slot, dueAt)
    wake()
  }

  /** Returns whether the oldest check was due before or during the last pause of this process. The oldest checks begin first, as always. */
  function isCatchingUp(): boolean {
    const pause = pauses.ofProcess.at(-1)
    return pause !== undefined && (dueQueue.nextAt() ?? Number.POSITIVE_INFINITY) <= pause.to
  }

  /** Returns how many checks may begin now. Checks that a pause left out begin bit by bit, because all at once would be a burst of SYNs. */
  function countAllowed(now: number): number {
    if (!isCatchingUp()) return checksPerBatch
    const pause = pauses.ofProcess.at(-1) as Pause
    if (catchUp.pause !== pause) catchUp = { pause, begun: 0 }
    const perMs = Math.min(mostPerMs, Math.max(1, dueQueue.size() / catchUpMs))
    return Math.min(checksPerBatch, Math.ceil((now - pause.to + tickMs) * perMs) - catchUp.begun)
  }

  function runDue(): number | null {
    const now = clock.now()
    const aheadMs = epochAhead()
    lastRunAt = now
    while (clock.now() - now <= turnMs) {
      const allowed = countAllowed(now)
      if (allowed <= 0) return now + tickMs
      const due = dueQueue.take(now, allowed)
      if (due === null) break
      catchUp.begun += due.length
      for (const slot of due) {
        const state = monitor.targetAt(slot)
        const intervalKind = state && intervalKindAt(state)
        if (state === undefined || intervalKind == null) continue
        // Do not read the health here, because that takes longer than all the rest. A change of the health brings the next check forward anyway.
        const dueAt = owns(state) ? following(state, intervalKind, now, aheadMs) : null
        if (dueAt === null) {
          forget(state)
          continue
        }
        monitor.checkOnSchedule(state, dueQueue.dueAt(slot))
        dueQueue.put(slot, dueAt)
      }
    }
    return dueQueue.nextAt()
  }

  function wake(): void {
    if (running) arm(dueQueue.nextAt())
  }

  function arm(at: number | null): void {
    clearTimeout(timer)
    if (at !== null) timer = setTimeout(runAndArm, Math.max(0, Math.ceil(at - clock.now())))
  }

  function runAndArm(): void {
    arm(runDue())
  }

  function scheduleAll(): void {
    const targets = [...monitor.services.values()].flatMap(({ targets }) => targets)
    for (const state of targets) forget(state)
    scheduleTargets(targets)
  }

  monitor.targetsChanged.subscribe(scheduleTargets)
  monitor.checked.subscribe(bringForward)
  monitor.adopted.subscribe(bringForward)
  ownership.gained.subscribe((names) =>
    scheduleTargets(names.flatMap((name) => monitor.services.get(name)?.targets ?? [])),
  )
  scheduleAll()

  return {
    start() {
      running = true
      // Checks that were planned before may be long overdue, and a late start must not cause a burst either.
      scheduleAll()
    },
    stop() {
      running = false
      clearTimeout(timer)
    },
    runDue,
    overdueMs() {
      const now = clock.now()
      const nextAt = dueQueue.nextAt()
      if (!running || nextAt === null || nextAt > now) return 0
      // While the scheduler catches up it works, although the oldest check is long overdue.
      if (isCatchingUp()) return now - Math.max(lastRunAt, pauses.ofProcess.at(-1)?.to ?? 0)
      return now - nextAt - pausedMs(pauses.ofProcess, nextAt, now)
    },
  }
}

/** Returns the least time between two checks, in milliseconds. A scheduled check that comes sooner after a check is left out. */
function apartMs({ serviceState }: TargetState, intervalMs: number): number {
  return Math.min(serviceState.service.policy.minAgeMs, intervalMs / 2)
}

function phaseOfTarget({ serviceState, target }: TargetState): number {
  return phaseOfName(`${serviceState.service.name}\n${target.name}`)
}

/** Returns the first scheduled time of a phase after an instant. `aheadMs` is how far the wall clock is ahead of the clock. */
function scheduledAfter(instant: number, phase: number, intervalMs: number, aheadMs: number): number {
  const epochMs = instant + aheadMs
  return instant + (nextScheduled(epochMs, phase, intervalMs) - epochMs)
}
