import type { Clock } from '../clock.ts'
import type { Transition } from '../domain/transition.ts'
import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'

/** A transition as it is remembered. Ids grow with time, also from one process to the next: they are microseconds since the epoch. */
export type LoggedTransition = Transition & { readonly id: number }

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

/** What an earlier process logged. */
export type RestoredTransitions = {
  /** The oldest first. They stand for all there is up to the last of them, this process's own too. */
  readonly transitions: readonly LoggedTransition[]
  /** Nothing is missing after this id and this instant. */
  readonly completeAfter: { readonly id: number; readonly at: number }
}

/** What happened, kept for a while. */
export type TransitionLog = {
  /** Every transition, once it is remembered. */
  readonly logged: Signal<LoggedTransition>
  /** Since when nothing is missing from the log: an instant of the clock. */
  completeSince(): number
  /** The newest first. */
  find(query: TransitionQuery): LoggedTransition[]
  /** What came after the transition of this id, the oldest first; null when some of it is forgotten. */
  after(id: number): LoggedTransition[] | null
  /** The newest id given out: whatever happens from now on comes after it. Before the first transition, an id that none has. */
  lastId(): number
  /** Puts what an earlier process logged before what this one did. It is not told as news. */
  restore(earlier: RestoredTransitions): void
}

const dayMs = 86_400_000

/** Remembers a monitor's transitions from now on, the newest `maxCount` of the last `maxAgeMs`. */
export function createTransitionLog({
  monitor,
  clock,
  maxCount = 100_000,
  maxAgeMs = 30 * dayMs,
}: {
  monitor: Monitor
  clock: Clock
  maxCount?: number
  maxAgeMs?: number
}): TransitionLog {
  const logged = createSignal<LoggedTransition>()
  /** The oldest first. */
  let kept: LoggedTransition[] = []
  let completeSince = clock.now()
  let lastId = idAt(completeSince)
  let forgottenId = lastId

  /** The first id of a millisecond; when more than a thousand things happen in one, ids run ahead of the time. */
  function idAt(instant: number): number {
    return Math.floor(clock.toEpoch(instant)) * 1000
  }

  function remember(transition: Transition): void {
    lastId = Math.max(lastId + 1, idAt(transition.at))
    const entry = { ...transition, id: lastId }
    kept.push(entry)
    // Not one at a time: what goes in front moves all the rest.
    if (kept.length >= maxCount + Math.ceil(maxCount / 10)) forget(kept.length - maxCount)
    logged.emit(entry)
  }

  function forget(count: number): void {
    const newest = kept[count - 1]
    if (newest === undefined) return
    // What a store kept of long ago may be older than what is complete.
    completeSince = Math.max(completeSince, newest.at)
    forgottenId = Math.max(forgottenId, newest.id)
    kept = kept.slice(count)
  }

  function forgetOld(): void {
    const oldest = clock.now() - maxAgeMs
    let count = 0
    while ((kept[count]?.at ?? Number.POSITIVE_INFINITY) < oldest) count++
    forget(count)
  }

  monitor.transitions.subscribe(remember)

  return {
    logged,
    completeSince() {
      forgetOld()
      return completeSince
    },
    find({
      service,
      from = Number.NEGATIVE_INFINITY,
      to = Number.POSITIVE_INFINITY,
      before = Number.POSITIVE_INFINITY,
      limit = Number.POSITIVE_INFINITY,
    }) {
      forgetOld()
      const found: LoggedTransition[] = []
      for (let at = kept.length - 1; at >= 0 && found.length < limit; at--) {
        const entry = kept[at] as LoggedTransition
        if (entry.at < from) break
        if (entry.at < to && entry.id < before && (service === undefined || entry.service === service))
          found.push(entry)
      }
      return found
    },
    after(id) {
      forgetOld()
      if (id < forgottenId) return null
      // From the end: those who ask often have seen nearly all.
      return kept.slice(kept.findLastIndex((entry) => entry.id <= id) + 1)
    },
    lastId: () => lastId,
    restore({ transitions, completeAfter }) {
      const newest = transitions.at(-1)?.id ?? 0
      kept = [...transitions, ...kept.filter(({ id }) => id > newest)]
      lastId = Math.max(lastId, completeAfter.id, kept.at(-1)?.id ?? 0)
      completeSince = completeAfter.at
      forgottenId = completeAfter.id
      forget(kept.length - maxCount)
    },
  }
}
