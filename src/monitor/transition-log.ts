import type { Clock } from '../clock.ts'
import { type Absence, addAbsence } from '../domain/absence.ts'
import type { Status } from '../domain/status.ts'
import type { LoggedTransition, Transition } from '../domain/transition.ts'
import type { TimeSlice } from '../time-slices.ts'
import { continueLog } from './continue-log.ts'
import type { EarlierLog, SharedLog } from './earlier-log.ts'
import { createKeptTransitions } from './kept-transitions.ts'
import { createLastKnown } from './last-known.ts'
import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'

/** Which transitions are wanted; whatever is left out does not matter. Instants of the clock, in milliseconds. */
export type TransitionQuery = {
  readonly service?: string | undefined
  /** Not before this instant. */
  readonly from?: number | undefined
  /** Before this instant. */
  readonly to?: number | undefined
  /** Older than the transition of this id. */
  readonly before?: number | undefined
  readonly limit?: number | undefined
}

/** What happened, kept for a while. */
export type TransitionLog = {
  /** Every transition, once it is remembered. */
  readonly logged: Signal<LoggedTransition>
  /** Since when nothing is missing from the log: an instant of the clock. */
  completeSince(): number
  /** The newest first. */
  find(query: TransitionQuery): LoggedTransition[]
  /** The same for the loop of a request: where many transitions do not fit, it yields. */
  findInSlices(query: TransitionQuery, slice: TimeSlice): Promise<LoggedTransition[]>
  /** When Porthole was not running, the oldest first. */
  absences(): readonly Absence[]
  /** Remembers that this process did not run for longer than its checks are trusted. */
  addAbsence(absence: Absence): void
  /** What a service last was to an earlier process; undefined when nothing is known of that, or this one knows by now. */
  lastKnown(service: string): Status | undefined
  /** What came after the transition of this id, the oldest first, as many as wanted; null when some of it is forgotten, or was never kept. */
  after(id: number, limit?: number): LoggedTransition[] | null
  /** The id of the newest transition: whatever happens from now on comes after it. Before the first, an id that none has. */
  lastId(): number
  /**
   * Puts what an earlier process logged before what this one did. It is not told as news. From then on a service or target that
   * this process finds to be what it was is no news either, and one that is not goes on from there. Returns the time from when
   * the earlier process ended until this one began; null when there is none.
   */
  restore(earlier: EarlierLog): Absence | null
  /** Puts what a store keeps in the place of what is remembered up to there, with its times corrected. It is not told as news. */
  redate(kept: SharedLog): void
  /** Takes in transitions that all replicas number alike, each of which comes after those before it. */
  add(transitions: readonly LoggedTransition[]): void
  /**
   * Puts what all replicas know in the place of what is remembered here, which this one may have found while it was alone.
   * What came after the transition of the id `newsAfter` is told as news.
   */
  replace(shared: SharedLog, newsAfter: number): void
  /** Tells of services that an earlier process knew and this one does not watch. Nothing says when they went. */
  endUnwatched(): void
}

const dayMs = 86_400_000

/** Remembers a monitor's transitions from now on, the newest `maxCount` of the last `maxAgeMs`. */
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
  /** What it remembers of its own accord. */
  source?: Signal<Transition>
}): TransitionLog {
  const logged = createSignal<LoggedTransition>()
  const kept = createKeptTransitions()
  let completeSince = clock.now()
  const startedAt = completeSince
  const firstId = idAt(startedAt)
  let lastId = firstId
  let forgottenId = firstId
  /** After this id and before the first of this process, an earlier one may have told what it could not keep. */
  let lastEarlierId = firstId
  let absences: readonly Absence[] = []
  const lastKnown = createLastKnown()

  /** The first id of a millisecond; when more than a thousand things happen in one, ids run ahead of the time. */
  function idAt(instant: number): number {
    return Math.floor(clock.toEpoch(instant)) * 1000
  }

  /** The instant of an id. */
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
    // Up to a tenth more is kept, so that the oldest is not forgotten with every one that comes.
    if (kept.end - kept.first >= maxCount + Math.ceil(maxCount / 10)) forgetBefore(kept.end - maxCount)
    logged.emit(entry)
  }

  function forgetBefore(place: number): void {
    if (place <= kept.first) return
    // What a store kept of long ago may be older than what is complete.
    completeSince = Math.max(completeSince, kept.instantAt(place - 1))
    forgottenId = Math.max(forgottenId, kept.idAt(place - 1))
    kept.forgetBefore(place)
  }

  function forgetOld(): void {
    const oldest = clock.now() - maxAgeMs
    let place = kept.first
    while (place < kept.end && kept.instantAt(place) < oldest) place++
    forgetBefore(place)
    // Where nobody looked is not known any more, so nothing is known of the time until then.
    for (const { to } of absences) if (to < oldest) completeSince = Math.max(completeSince, to)
    absences = absences.filter(({ to }) => to >= oldest)
  }

  /** The place of the oldest that came after an id. */
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

  /** The transitions that a query asks for, the newest first, and null for each other one that is looked at. */
  function* look({
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
      // Ids grow with time, though what a replica found while it was alone is told late.
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
      for (const entry of look(query)) if (entry !== null) found.push(entry)
      return found
    },
    async findInSlices(query, slice) {
      for (;;) {
        forgetOld()
        const { generation } = kept
        const found: LoggedTransition[] = []
        for (const entry of look(query)) {
          if (entry !== null) found.push(entry)
          if (slice.mustYield()) await slice.yield()
          if (kept.generation !== generation) break
        }
        // What was looked at may have been replaced meanwhile, which is rare: then all is looked at again.
        if (kept.generation === generation) return found
      }
    },
    absences() {
      forgetOld()
      return absences
    },
    addAbsence(absence) {
      absences = addAbsence(absences, absence)
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
      const all = continueLog(earlier, Math.max(lastEarlierId, idAt(endedAt)), own, lastKnown)
      kept.replaceAll(all)
      // The next process is to know the ids that were told, so what was kept is told and not when this one began.
      lastId = Math.max(own.length > 0 ? lastId : 0, lastEarlierId, all.at(-1)?.id ?? 0)
      completeSince = completeAfter.at
      forgottenId = completeAfter.id
      forgetBefore(kept.end - maxCount)
      const absence = endedAt < startedAt ? { from: endedAt, to: startedAt } : null
      // This process may have paused since it began.
      absences = [...earlier.absences, ...(absence === null ? [] : [absence]), ...absences]
      return absence
    },
    redate({ transitions, absences: corrected, completeAfter }) {
      const since = kept.readFrom(placeAfter(transitions.at(-1)?.id ?? completeAfter.id))
      kept.replaceAll([...transitions, ...since])
      absences = corrected
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
    replace({ transitions, absences: sharedAbsences, completeAfter }, newsAfter) {
      kept.replaceAll(transitions)
      absences = sharedAbsences
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
