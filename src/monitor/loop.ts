import type { Clock } from '../clock.ts'
import { beatIntervalMs, intervalAt, Pace, paceOf } from '../domain/health.ts'
import { noPauses, type Pause, type Pauses, pausedMs } from '../domain/pause.ts'
import { nextBeat, phaseOf as phaseOfName } from '../domain/schedule.ts'
import { createAgenda } from './agenda.ts'
import type { Checked } from './checks.ts'
import { createColumns, placeOf, rowOf, shortNumberColumn, wordAt, wordColumn } from './columns.ts'
import type { Monitor } from './monitor.ts'
import { coverAll, type Responsibility } from './responsibility.ts'
import type { WatchedTarget } from './watch.ts'

/** The first sweep is spread over this long, so that a start neither bursts nor leaves people waiting for an interval. */
const firstSweepMs = 1000
/** Those checks that were left out, such as while one replica took over from another or this process paused, are spread over this long. */
const makeUpMs = 400
/** Either brings no more than this a millisecond, some two thirds of what two cores can do: checks that pile up take memory, and hold up whoever asks. */
const mostPerMs = 25
/** What falls due within this time starts together at its end: hand-overs cost more than checks. */
const defaultTickMs = 40
/** So long beats are begun before whatever else waits gets its turn of the event loop, in milliseconds. */
const turnMs = 10
/** So many beats are begun between two looks at the clock: a millisecond's work. */
const beatsAtOnce = 500

/** Starts the check of every target that is covered when its beat comes. */
export type Loop = {
  start(): void
  stop(): void
  /** Starts what is due; returns when to look again, null when nothing is scheduled. */
  runDue(): number | null
  /** How long something has been due that was not started, in milliseconds. */
  overdueMs(): number
}

export function createLoop({
  monitor,
  clock,
  responsibility = coverAll(),
  tickMs = defaultTickMs,
  pauses = noPauses,
}: {
  monitor: Monitor
  clock: Clock
  responsibility?: Responsibility
  tickMs?: number
  /** When this process did not run, as it is known at any time. */
  pauses?: Pauses
}): Loop {
  const agenda = createAgenda(tickMs)
  const columns = createColumns(() => ({
    phase: shortNumberColumn(),
    /** The interval that applies, for as long as the target is scheduled. */
    pace: wordColumn(),
  }))
  let timer: NodeJS.Timeout | undefined
  let running = false
  let turnedAt = clock.now()
  /** The last pause that left beats out, and how many of them have begun since. */
  let catchUp: { readonly pause: Pause | undefined; begun: number } = { pause: undefined, begun: 0 }

  const covers = ({ watchedService }: WatchedTarget) => responsibility.covers(watchedService.service.name)

  const phaseOf = ({ slot }: WatchedTarget) => columns.pageOf(slot).phase[rowOf(slot)] as number
  /** Null while it is not scheduled. */
  const paceAt = ({ slot }: WatchedTarget) => wordAt(Pace, columns.pageOf(slot).pace, rowOf(slot))

  /** From now on the interval that its health asks for applies. */
  function setPace({ slot, health }: WatchedTarget): Pace {
    const applies = paceOf(health)
    columns.pageOf(slot).pace[rowOf(slot)] = placeOf(Pace, applies)
    return applies
  }

  function forget({ slot }: WatchedTarget): void {
    agenda.remove(slot)
    columns.pageOf(slot).pace[rowOf(slot)] = placeOf(Pace, null)
  }

  /** Schedules targets that are new or whose definition changed, and forgets those that are gone. A change never puts a beat off, or changes without end would. */
  function follow(targets: readonly WatchedTarget[]): void {
    const now = clock.now()
    const aheadMs = epochAhead()
    for (const watched of targets) {
      const intervalMs = beatIntervalMs(watched.health, watched.watchedService.service.policy)
      if (intervalMs === null || watched.retired || !covers(watched)) {
        forget(watched)
        continue
      }
      if (paceAt(watched) === null) columns.pageOf(watched.slot).phase[rowOf(watched.slot)] = phaseOfTarget(watched)
      setPace(watched)
      const phase = phaseOf(watched)
      const beatAt = beatAfter(now, phase, intervalMs, aheadMs)
      const lastAt = watched.health.lastOutcome?.startedAt ?? null
      // The beat before was left out by another replica, from which this one took over; or a shorter interval would have had it by now.
      const isOverdue =
        watched.check === null && lastAt !== null && lastAt < beatAt - intervalMs - apartMs(watched, intervalMs)
      const spreadMs = Math.min(intervalMs, Math.max(isOverdue ? makeUpMs : firstSweepMs, targets.length / mostPerMs))
      const dueAt = lastAt === null || isOverdue ? now + phase * spreadMs : beatAt
      agenda.put(watched.slot, Math.min(agenda.dueAt(watched.slot), dueAt))
    }
    wake()
  }

  /** How far the time of day is ahead of the clock. Read once for all that is planned together: were the wall clock to step in between, beats would move by as much. */
  function epochAhead(): number {
    const now = clock.now()
    return clock.toEpoch(now) - now
  }

  /**
   * When the beat comes that follows one at `instant`, at its pace; null when it has none. Counting from a little later keeps a first
   * check and the beat after it apart, and a timer that fires early from beating twice.
   */
  function following(watched: WatchedTarget, pace: Pace, instant: number, aheadMs: number): number | null {
    const intervalMs = intervalAt(pace, watched.watchedService.service.policy)
    if (intervalMs === null) return null
    return beatAfter(instant + apartMs(watched, intervalMs), phaseOf(watched), intervalMs, aheadMs)
  }

  /** An outcome can shorten the interval, whoever found it: a streak against the status is followed up without waiting for the beat that was planned. */
  function hasten({ watched }: Pick<Checked, 'watched'>): void {
    const before = paceAt(watched)
    if (before === null) return
    const applies = setPace(watched)
    // Nearly always: then the beat that was planned stands.
    if (applies === before) return
    const dueAt = following(watched, applies, clock.now(), epochAhead())
    if (dueAt === null || dueAt >= agenda.dueAt(watched.slot)) return
    agenda.put(watched.slot, dueAt)
    wake()
  }

  /** Whether beats are overdue that came while this process did not run. The oldest begin first, as in any order of time. */
  function isCatchingUp(): boolean {
    const pause = pauses.ofProcess.at(-1)
    return pause !== undefined && (agenda.nextAt() ?? Number.POSITIVE_INFINITY) <= pause.to
  }

  /** How many beats may begin now. Beats that a pause left out do not begin all at once, because that would be a burst of SYNs. */
  function countAllowed(now: number): number {
    if (!isCatchingUp()) return beatsAtOnce
    const pause = pauses.ofProcess.at(-1) as Pause
    if (catchUp.pause !== pause) catchUp = { pause, begun: 0 }
    const perMs = Math.min(mostPerMs, Math.max(1, agenda.size() / makeUpMs))
    return Math.min(beatsAtOnce, Math.ceil((now - pause.to + tickMs) * perMs) - catchUp.begun)
  }

  function runDue(): number | null {
    const now = clock.now()
    const aheadMs = epochAhead()
    turnedAt = now
    while (clock.now() - now <= turnMs) {
      const allowed = countAllowed(now)
      if (allowed <= 0) return now + tickMs
      const due = agenda.take(now, allowed)
      if (due === null) break
      catchUp.begun += due.length
      for (const slot of due) {
        const watched = monitor.targetAt(slot)
        const pace = watched && paceAt(watched)
        if (watched === undefined || pace == null) continue
        // Not its health: to read that takes longer than all the rest, and what changes it hastens the beat.
        const dueAt = covers(watched) ? following(watched, pace, now, aheadMs) : null
        if (dueAt === null) {
          forget(watched)
          continue
        }
        monitor.beat(watched, agenda.dueAt(slot))
        agenda.put(slot, dueAt)
      }
    }
    return agenda.nextAt()
  }

  function wake(): void {
    if (running) arm(agenda.nextAt())
  }

  function arm(at: number | null): void {
    clearTimeout(timer)
    if (at !== null) timer = setTimeout(turn, Math.max(0, Math.ceil(at - clock.now())))
  }

  function turn(): void {
    arm(runDue())
  }

  function followAll(): void {
    const targets = [...monitor.services.values()].flatMap(({ targets }) => targets)
    for (const watched of targets) forget(watched)
    follow(targets)
  }

  monitor.watching.subscribe(follow)
  monitor.checked.subscribe(hasten)
  monitor.adopted.subscribe(hasten)
  responsibility.gained.subscribe((names) => follow(names.flatMap((name) => monitor.services.get(name)?.targets ?? [])))
  followAll()

  return {
    start() {
      running = true
      // What was planned before may be long due: a late start must not burst either.
      followAll()
    },
    stop() {
      running = false
      clearTimeout(timer)
    },
    runDue,
    overdueMs() {
      const now = clock.now()
      const nextAt = agenda.nextAt()
      if (!running || nextAt === null || nextAt > now) return 0
      // While the loop catches up it works, though the oldest beat is long due.
      if (isCatchingUp()) return now - Math.max(turnedAt, pauses.ofProcess.at(-1)?.to ?? 0)
      return now - nextAt - pausedMs(pauses.ofProcess, nextAt, now)
    },
  }
}

/** How far apart two checks are at least, in milliseconds: a beat that comes sooner after a check is left out. */
function apartMs({ watchedService }: WatchedTarget, intervalMs: number): number {
  return Math.min(watchedService.service.policy.minAgeMs, intervalMs / 2)
}

function phaseOfTarget({ watchedService, target }: WatchedTarget): number {
  return phaseOfName(`${watchedService.service.name}\n${target.name}`)
}

/** The first beat of a phase after an instant. `aheadMs` is how far the time of day is ahead of the clock. */
function beatAfter(instant: number, phase: number, intervalMs: number, aheadMs: number): number {
  const epochMs = instant + aheadMs
  return instant + (nextBeat(epochMs, phase, intervalMs) - epochMs)
}
