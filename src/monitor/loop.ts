import type { Clock } from '../clock.ts'
import { beatIntervalMs } from '../domain/health.ts'
import { nextBeat, phaseOf } from '../domain/schedule.ts'
import { createHeap } from '../heap.ts'
import type { Checked, Monitor } from './monitor.ts'
import type { WatchedTarget } from './watch.ts'

/** The first sweep is spread over this long, so that a start neither bursts nor leaves people waiting for an interval. */
const firstSweepMs = 1000
/** What falls due within this time starts together: hand-overs cost more than checks. */
const tickMs = 40

/** When a target is next due, by the interval that applied when this was planned. A moved beat leaves its old slot behind in the heap, to be thrown away when it comes up. */
type Slot = {
  readonly watched: WatchedTarget
  readonly phase: number
  readonly due: number
  readonly intervalMs: number
}

/** Starts the check of every target when its beat comes. */
export type Loop = {
  start(): void
  stop(): void
  /** Starts what is due; returns the instant of the next beat, null when nothing is scheduled. */
  runDue(): number | null
}

export function createLoop({ monitor, clock }: { monitor: Monitor; clock: Clock }): Loop {
  const slots = createHeap<Slot>((slot) => slot.due)
  const current = new Map<WatchedTarget, Slot>()
  let timer: NodeJS.Timeout | undefined
  let running = false

  function put(slot: Slot): void {
    current.set(slot.watched, slot)
    slots.push(slot)
  }

  /** Schedules targets that are new or whose definition changed. A change never puts a beat off, or changes without end would. */
  function follow(targets: readonly WatchedTarget[]): void {
    const now = clock.now()
    for (const watched of targets) {
      const intervalMs = beatIntervalMs(watched.health, watched.watchedService.service.policy)
      const planned = current.get(watched)?.due ?? Number.POSITIVE_INFINITY
      current.delete(watched)
      if (intervalMs === null) continue
      const phase = phaseOf(`${watched.watchedService.service.name}\n${watched.target.name}`)
      const fresh = watched.health.lastOutcome === null
      const due = fresh ? now + phase * Math.min(intervalMs, firstSweepMs) : beatAfter(now, phase, intervalMs)
      put({ watched, phase, due: Math.min(planned, due), intervalMs })
    }
    wake()
  }

  function beatAfter(instant: number, phase: number, intervalMs: number): number {
    const epochMs = clock.toEpoch(instant) // read once: were the wall clock to step in between, the beat would move by as much
    return instant + (nextBeat(epochMs, phase, intervalMs) - epochMs)
  }

  /**
   * The beat that follows one at `instant`. Counting from a little later keeps a first check and the beat after it
   * apart, and a timer that fires early from beating twice.
   */
  function following({ watched, phase }: Slot, instant: number): Slot | null {
    const { policy } = watched.watchedService.service
    const intervalMs = beatIntervalMs(watched.health, policy)
    if (intervalMs === null) return null
    const due = beatAfter(instant + Math.min(policy.minAgeMs, intervalMs / 2), phase, intervalMs)
    return { watched, phase, due, intervalMs }
  }

  function beat(slot: Slot): void {
    const { watched } = slot
    if (watched.inFlight === null) void monitor.check(watched, slot.due)
    else monitor.skipBeat(watched)
    const next = following(slot, Math.max(slot.due, clock.now()))
    if (next !== null) put(next)
  }

  /** An outcome can shorten the interval: a streak against the status is followed up without waiting for the beat that was planned. */
  function hasten({ watched }: Checked): void {
    const planned = current.get(watched)
    if (planned === undefined) return
    // Nearly always: then the beat that was planned stands.
    if (beatIntervalMs(watched.health, watched.watchedService.service.policy) === planned.intervalMs) return
    const next = following(planned, clock.now())
    if (next === null || next.due >= planned.due) return
    put(next)
    wake()
  }

  function runDue(): number | null {
    const now = clock.now()
    for (let slot = slots.peek(); slot !== undefined; slot = slots.peek()) {
      const moved = current.get(slot.watched) !== slot
      if (!moved && !slot.watched.retired && slot.due > now) return slot.due
      slots.pop()
      if (moved) continue
      current.delete(slot.watched)
      if (!slot.watched.retired) beat(slot)
    }
    return null
  }

  function wake(): void {
    if (running) arm(slots.peek()?.due ?? null, 0)
  }

  function arm(due: number | null, leastMs: number): void {
    clearTimeout(timer)
    if (due !== null) timer = setTimeout(turn, Math.max(leastMs, Math.ceil(due - clock.now())))
  }

  function turn(): void {
    arm(runDue(), tickMs)
  }

  function followAll(): void {
    current.clear()
    follow([...monitor.services.values()].flatMap(({ targets }) => targets))
  }

  monitor.watching.subscribe(follow)
  monitor.checked.subscribe(hasten)
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
  }
}
