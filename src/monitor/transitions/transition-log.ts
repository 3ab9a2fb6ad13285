import { addGap, type Gap } from '../../domain/health/gap.ts'
import type { Status } from '../../domain/health/status.ts'
import type { LoggedTransition, Transition } from '../../domain/health/transition.ts'
import type { StatusChanges } from '../../domain/health/uptime.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlice } from '../../runtime/time-slices.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import type { Monitor } from '../monitor.ts'
import { createLastKnown } from '../state/last-known.ts'
import { mergeLogs } from './merge-logs.ts'
import type { PreviousRun, SharedLog } from './previous-run.ts'
import { createStoredTransitions } from './stored-transitions.ts'

/** A query for transitions. A field that is left out excludes nothing. Times are instants of the clock, in milliseconds. */
export type TransitionQuery = {
  readonly service?: string | undefined
  /** Excludes transitions before this instant. */
  readonly from?: number | undefined
  /** Excludes transitions at this instant and after it. */
  readonly to?: number | undefined
  /** Excludes the transition with this id, and newer ones. */
  readonly before?: number | undefined
  readonly limit?: number | undefined
}

/** Log of transitions, bounded by age and by number. */
export type TransitionLog = {
  /** Emits every transition once it is in the log. */
  readonly logged: Emitter<LoggedTransition>
  /** Returns the instant of the clock since which the log is complete. */
  completeSince(): number
  /** Returns the transitions that match, newest first. */
  find(query: TransitionQuery): LoggedTransition[]
  /** Returns the same for the loop of a request, and yields whenever the slice of the request is used up. */
  findInSlices(query: TransitionQuery, slice: TimeSlice): Promise<LoggedTransition[]>
  /** Returns the status changes of a service itself, without its targets, oldest first. Takes far less time than `find`. */
  changesOf(service: string): StatusChanges
  /** Returns the gaps in which Porthole was not running, oldest first. */
  gaps(): readonly Gap[]
  /** Adds a gap: this process did not run for longer than its checks are trusted. */
  addGap(gap: Gap): void
  /** Returns the last status of a service in the previous process; undefined if that is not known, or no longer needed. */
  lastKnown(service: string): Status | undefined
  /** Returns up to `limit` transitions after the one with this id, oldest first; null if some of them are forgotten or were never kept. */
  after(id: number, limit?: number): LoggedTransition[] | null
  /** Returns the id of the newest transition. All later ones have higher ids. Before the first transition, returns an id that none has. */
  lastId(): number
  /**
   * Puts the log of the previous process before the entries of this one, and emits none of them. From then on a status that this process finds
   * unchanged is no transition, and a changed one starts from the last known status. Returns the gap between the end of the previous process
   * and the start of this one; null if there is none.
   */
  restore(earlier: PreviousRun): Gap | null
  /** Replaces the entries up to the newest one of a store with those of the store, where times were corrected. Emits none of them. */
  redate(kept: SharedLog): void
  /** Adds transitions that all replicas number alike, in the order of their ids. */
  add(transitions: readonly LoggedTransition[]): void
  /**
   * Replaces all entries with the log that all replicas share. Entries of a time when this replica was alone may go. Emits the transitions
   * after the one with the id `newsAfter`.
   */
  replace(shared: SharedLog, newsAfter: number): void
  /** Records the end of services that the previous process knew and this one does not have. The time of their end is not known. */
  endUnwatched(): void
}

const dayMs = 86_400_000

/** Creates a log that records a monitor's transitions from now on, and keeps the newest `maxCount` of the last `maxAgeMs`. */
export function createTransitionLog({
  monitor,
  clock,
  maxCount = 100_000,
  maxAgeMs = 30 * dayMs,
  source = monitor.transitions,
}: {
  monitor: Monitor
  clock: Clock
  maxCount?: number
  maxAgeMs?: number
  /** The transitions that the log records by itself. */
  source?: Emitter<Transition>
}): TransitionLog {
  const logged = createEmitter<LoggedTransition>()
  const kept = createStoredTransitions()
  let completeSince = clock.now()
  const startedAt = completeSince
  const firstId = idAt(startedAt)
  let lastId = firstId
  let forgottenId = firstId
  /** The last known id of the previous process. That process may have emitted later transitions that it could not keep. */
  let lastEarlierId = firstId
  let gaps: readonly Gap[] = []
  const lastKnown = createLastKnown()

  /** Returns the first id of a millisecond. If more than 1,000 transitions happen in one, ids run ahead of the time. */
  function idAt(instant: number): number {
    return Math.floor(clock.toEpoch(instant)) * 1000
  }

  /** Returns the instant of an id. */
  function timeOf(id: number): number {
    return clock.fromEpoch(id / 1000)
  }

  function remember(transition: Transition): void {
    const linked = lastKnown.link(transition)
    if (linked === null) return
    lastId = Math.max(lastId + 1, firstId + 1, idAt(transition.at))
    enter({ ...linked, id: lastId })
  }

  function enter(entry: LoggedTransition): void {
    kept.add(entry)
    // Keep up to a tenth more, so that not every new entry removes the oldest one.
    if (kept.end - kept.first >= maxCount + Math.ceil(maxCount / 10)) forgetBefore(kept.end - maxCount)
    logged.emit(entry)
  }

  function forgetBefore(place: number): void {
    if (place <= kept.first) return
    // An entry from a store may be older than the time since which the log is complete.
    completeSince = Math.max(completeSince, kept.instantAt(place - 1))
    forgottenId = Math.max(forgottenId, kept.idAt(place - 1))
    kept.forgetBefore(place)
  }

  function forgetOld(): void {
    const oldest = clock.now() - maxAgeMs
    let place = kept.first
    while (place < kept.end && kept.instantAt(place) < oldest) place++
    forgetBefore(place)
    // Gaps that ended before the oldest entry are dropped. The log is then complete only since the end of the last of them.
    for (const { to } of gaps) if (to < oldest) completeSince = Math.max(completeSince, to)
    gaps = gaps.filter(({ to }) => to >= oldest)
  }

  /** Returns the place of the oldest entry after an id. */
  function placeAfter(id: number): number {
    let place = kept.first
    let after = kept.end
    while (place < after) {
      const middle = Math.floor((place + after) / 2)
      if (kept.idAt(middle) <= id) place = middle + 1
      else after = middle
    }
    return place
  }

  /** Yields the transitions that match a query, newest first, and null for each other one that it visits. */
  function* search({
    service,
    from = Number.NEGATIVE_INFINITY,
    to = Number.POSITIVE_INFINITY,
    before = Number.POSITIVE_INFINITY,
    limit = Number.POSITIVE_INFINITY,
  }: TransitionQuery): Generator<LoggedTransition | null> {
    let left = limit
    for (const place of kept.placesOf(service)) {
      if (left <= 0) break
      const at = kept.instantAt(place)
      const id = kept.idAt(place)
      // Ids grow with time, but a replica that was alone publishes its transitions late.
      if (at < from && timeOf(id) + 1 < from) break
      const isWanted = at >= from && at < to && id < before
      if (isWanted) left--
      yield isWanted ? kept.read(place) : null
    }
  }

  source.subscribe(remember)

  return {
    logged,
    completeSince() {
      forgetOld()
      return completeSince
    },
    find(query) {
      forgetOld()
      const found: LoggedTransition[] = []
      for (const entry of search(query)) if (entry !== null) found.push(entry)
      return found
    },
    async findInSlices(query, slice) {
      for (;;) {
        forgetOld()
        const { generation } = kept
        const found: LoggedTransition[] = []
        for (const entry of search(query)) {
          if (entry !== null) found.push(entry)
          if (slice.mustYield()) await slice.yield()
          if (kept.generation !== generation) break
        }
        // The entries may have been replaced since the search began, which is rare. Then search again.
        if (kept.generation === generation) return found
      }
    },
    changesOf(service) {
      forgetOld()
      return kept.changesOf(service)
    },
    gaps() {
      forgetOld()
      return gaps
    },
    addGap(gap) {
      gaps = addGap(gaps, gap)
    },
    lastKnown: lastKnown.statusOf,
    after(id, limit) {
      forgetOld()
      if (id < forgottenId || (id > lastEarlierId && id < firstId)) return null
      return kept.readFrom(placeAfter(id), limit)
    },
    lastId: () => lastId,
    restore(earlier) {
      const { completeAfter, endedAt } = earlier
      lastEarlierId = Math.max(earlier.transitions.at(-1)?.id ?? 0, completeAfter.id)
      const own = kept.readFrom(kept.first)
      const all = mergeLogs(earlier, Math.max(lastEarlierId, idAt(endedAt)), own, lastKnown)
      kept.replaceAll(all)
      // The next process must know the ids that were emitted. So count the ids of kept entries, and not the start of this process.
      lastId = Math.max(own.length > 0 ? lastId : 0, lastEarlierId, all.at(-1)?.id ?? 0)
      completeSince = completeAfter.at
      forgottenId = completeAfter.id
      forgetBefore(kept.end - maxCount)
      const gap = endedAt < startedAt ? { from: endedAt, to: startedAt } : null
      // This process may have paused since it started.
      gaps = [...earlier.gaps, ...(gap === null ? [] : [gap]), ...gaps]
      return gap
    },
    redate({ transitions, gaps: corrected, completeAfter }) {
      const since = kept.readFrom(placeAfter(transitions.at(-1)?.id ?? completeAfter.id))
      kept.replaceAll([...transitions, ...since])
      gaps = corrected
      completeSince = completeAfter.at
      forgetBefore(kept.end - maxCount)
    },
    add(transitions) {
      for (const transition of transitions) {
        if (transition.id <= lastId) continue
        lastId = transition.id
        enter(transition)
      }
    },
    replace({ transitions, gaps: sharedGaps, completeAfter }, newsAfter) {
      kept.replaceAll(transitions)
      gaps = sharedGaps
      completeSince = completeAfter.at
      forgottenId = completeAfter.id
      lastEarlierId = Number.POSITIVE_INFINITY
      lastId = Math.max(transitions.at(-1)?.id ?? 0, completeAfter.id)
      forgetBefore(kept.end - maxCount)
      for (const transition of kept.readFrom(placeAfter(newsAfter))) logged.emit(transition)
    },
    endUnwatched() {
      const at = Math.max(startedAt, kept.end > kept.first ? kept.instantAt(kept.end - 1) : startedAt)
      const message = 'deregistered while Porthole was not running'
      const cause = { target: null, from: 'unknown', to: 'unknown', reason: null, message } as const
      for (const service of lastKnown.services())
        if (!monitor.services.has(service)) remember({ service, at, ...cause })
    },
  }
}
