import { addGap, type Gap } from '../domain/health/gap.ts'
import type { LoggedTransition } from '../domain/health/transition.ts'
import type { TransitionLog } from '../monitor/transitions/transition-log.ts'
import { type Clock, type Dating, stepMs } from '../runtime/clock.ts'
import { readStoreSnapshot } from './read-snapshot.ts'
import type { Store, Stored, StoredTransition, StoreSnapshot } from './store.ts'

/** The condition of a store. */
export type StoreState = {
  /** Why the store cannot be written now, as a sentence; null if it can. */
  readonly failure: string | null
  /** The number of transitions that are not in the store yet. */
  readonly waiting: number
}

/** A retrying store: wraps a store that may fail, and holds the transitions and gaps that could not be written to it yet. */
export type RetryingStore = {
  /** The store. While it is not open, every operation fails and says why. */
  readonly store: Store
  storeState(): StoreState
  /** Adds a gap, in instants of the clock, in which this process did not run. It is written once the store can be written. */
  addGap(gap: Gap): void
  /** Opens the store if it is not open, writes the waiting gaps and transitions, and writes a heartbeat. Only one turn runs at a time. */
  turn(): Promise<void>
  /** Starts the regular turns. Resolves after the first one, or after `patienceMs`. */
  start(): Promise<void>
  /** Writes the waiting gaps and transitions if that is possible, and closes the store. */
  close(): Promise<void>
}

export type RetryingStoreParts = {
  readonly name: Store['name']
  readonly open: () => Promise<Stored<Store>>
  readonly log: TransitionLog
  readonly clock: Clock
  /** Returns the current dating of the clock; null if a corrected clock must not correct times in the store. */
  readonly dating?: () => Dating | null
  /** Called once, with the snapshot of the store. Until its promise resolves, every operation of the store fails. */
  readonly onLoad: (kept: StoreSnapshot) => void | Promise<void>
  /** Called when the store begins to fail, fails for another cause, or works again (with null). */
  readonly onFailure: (failure: string | null) => void
  /**
   * The interval between two turns, in milliseconds. A failed store is tried again after it, and it bounds the time that one crash can make
   * unknown.
   */
  readonly turnMs?: number
  /** How long transitions wait for more, to be written in one batch, in milliseconds. */
  readonly gatherMs?: number
  /** The longest time, in milliseconds, that the store may take for an answer before it counts as failing. */
  readonly patienceMs?: number
}

/**
 * The largest difference, in milliseconds, by which a time of another process may be ahead of the clock. That process may have ended while this
 * one began.
 */
const aheadMs = 60_000
/** The number of transitions in one batch. */
const transitionsPerBatch = 1000

/** Creates a retrying store. It opens the store with the first turn. */
export function createRetryingStore(parts: RetryingStoreParts): RetryingStore {
  const { name, open, log, clock, onLoad, onFailure, turnMs = 5000, gatherMs = 100, patienceMs = 5000 } = parts
  const { dating = () => null } = parts
  const startedAt = clock.now()
  let opened: Store | null = null
  /** The id up to which all transitions are in the store. */
  let keptUpTo = log.lastId()
  /** The pauses of this process that are not in the store yet, in instants of the clock. */
  let pauses: readonly Gap[] = []
  /** The time before this process in which no Porthole ran, in milliseconds since the epoch; null once it is in the store. */
  let gap: Gap | null = null
  /** The dating by which the log was read. */
  let readBy: Dating | null = null
  let failure: string | null = `the ${name} store is not open yet`
  let reportedFailure: string | null = null
  /** The number of answers that are overdue. */
  let overdue = 0
  let turning: Promise<void> | null = null
  let ticking: NodeJS.Timeout | undefined
  let gathering: NodeJS.Timeout | undefined

  const toEpoch = (instant: number) => Math.floor(clock.toEpoch(instant))

  /** Records whether the store failed, and returns its answer. */
  function note<Value>(stored: Stored<Value>): Stored<Value> {
    failure = stored.ok ? null : stored.failure
    if (failure !== reportedFailure) onFailure(failure)
    reportedFailure = failure
    return stored
  }

  /** Waits for an answer without a limit, because the store may still do the operation. Reports a failure once the answer is overdue. */
  async function awaitAnswer<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let isOverdue = false
    const timer = setTimeout(() => {
      isOverdue = true
      overdue++
      const seconds = patienceMs / 1000
      note({ ok: false, failure: `the ${name} store has not answered for ${seconds} s: see whether its disk hangs` })
    }, patienceMs)
    const given = await answer
    clearTimeout(timer)
    if (isOverdue) overdue--
    return given
  }

  async function ask<Value>(operation: (store: Store) => Promise<Stored<Value>>): Promise<Stored<Value>> {
    if (opened === null) return { ok: false, failure: failure ?? `the ${name} store is closed` }
    if (overdue > 0 && failure !== null) return { ok: false, failure }
    return note(await awaitAnswer(operation(opened)))
  }

  async function load(): Promise<boolean> {
    const found = await awaitAnswer(open())
    if (!found.ok) {
      note(found)
      return false
    }
    const loaded = await awaitAnswer(found.value.load())
    if (!loaded.ok) {
      note(loaded)
      await found.value.close()
      return false
    }
    const { transitions, completeAfter, aliveAt } = loaded.value
    // A new store knows nothing about the time before it was created, so the log of this process stays.
    if (aliveAt !== null || transitions.length > 0) {
      keptUpTo = Math.max(transitions.at(-1)?.id ?? 0, completeAfter.id)
      log.restore(readStoreSnapshot(loaded.value, clock))
      gap = gapBefore(loaded.value)
    }
    await onLoad(loaded.value)
    readBy = dating()
    // The services of the snapshot are watched now. A service that is still not watched is gone.
    log.endUnwatched()
    opened = found.value
    return true
  }

  /**
   * Returns the gap between the last run of Porthole and the start of this process. If the clock is behind, the gap seems to end before it
   * begins.
   */
  function gapBefore({ aliveAt, gaps }: StoreSnapshot): Gap | null {
    const from = Math.max(aliveAt ?? Number.NEGATIVE_INFINITY, gaps.at(-1)?.to ?? Number.NEGATIVE_INFINITY)
    const to = toEpoch(startedAt)
    // A process that ended while this one began is off by less.
    const isBehind = dating() !== null && from - to > aheadMs
    return Number.isFinite(from) && (from < to || isBehind) ? { from, to } : null
  }

  /** The dating of the times that are computed from here to the next `await`. */
  const datingNow = () => dating() ?? undefined

  /** Writes the gaps before the next heartbeat, because the heartbeat would hide them. */
  async function keepGaps(): Promise<boolean> {
    const before = gap
    if (before !== null) {
      const kept = await ask((store) => store.addGap({ ...before, to: toEpoch(startedAt) }, datingNow(), 'to'))
      if (!kept.ok) return false
      gap = null
    }
    for (const pause of pauses) {
      const added = { from: toEpoch(pause.from), to: toEpoch(pause.to) }
      const kept = await ask((store) => store.addGap(added, datingNow(), 'both'))
      if (!kept.ok) return false
      pauses = pauses.filter((one) => one !== pause)
    }
    return true
  }

  /** Reads the log again if the clock was corrected, because the store has then corrected the times of its transitions. */
  async function rereadIfCorrected(): Promise<void> {
    const by = dating()
    if (by === null || readBy === null || Math.abs(by.bootedAt - readBy.bootedAt) <= stepMs) return
    const loaded = await ask((store) => store.load())
    if (!loaded.ok) return
    log.redate(readStoreSnapshot(loaded.value, clock))
    readBy = by
  }

  async function flush(): Promise<boolean> {
    for (;;) {
      const waiting = log.after(keptUpTo, transitionsPerBatch)
      // The log has dropped some transitions before the store could take them.
      const missing = waiting === null
      const batch = waiting ?? log.find({}).reverse().slice(0, transitionsPerBatch)
      const newest = batch.at(-1)
      if (newest === undefined) return true
      const kept = await ask((store) => store.append(batch.map(keep), missing, datingNow()))
      if (!kept.ok) return false
      keptUpTo = newest.id
    }
  }

  function keep(transition: LoggedTransition): StoredTransition {
    return { ...transition, at: toEpoch(transition.at) }
  }

  async function takeTurn(): Promise<void> {
    if (opened === null && !(await load())) return
    if (!(await keepGaps()) || !(await flush())) return
    const kept = await ask((store) => store.heartbeat(toEpoch(clock.now()), datingNow()))
    if (kept.ok) await rereadIfCorrected()
  }

  function turn(): Promise<void> {
    turning ??= takeTurn().finally(() => {
      turning = null
    })
    return turning
  }

  function gather(): void {
    if (ticking === undefined || failure !== null) return
    gathering ??= setTimeout(() => {
      gathering = undefined
      void turn()
    }, gatherMs)
  }

  const stopListening = log.logged.subscribe(gather)

  return {
    store: {
      name,
      load: () => ask((store) => store.load()),
      put: (service, definition, condition) => ask((store) => store.put(service, definition, condition)),
      remove: (service, condition) => ask((store) => store.remove(service, condition)),
      expire: (service, revision, step) => ask((store) => store.expire(service, revision, step, datingNow())),
      setDrained: (service, drained) => ask((store) => store.setDrained(service, drained)),
      append: (transitions, missing, dating) => ask((store) => store.append(transitions, missing, dating)),
      addGap: (gap, dating, ownEnds) => ask((store) => store.addGap(gap, dating, ownEnds)),
      heartbeat: (now, dating) => ask((store) => store.heartbeat(now, dating)),
      close: async () => opened?.close(),
    },
    storeState: () => ({ failure, waiting: log.after(keptUpTo)?.length ?? log.find({}).length }),
    addGap(pause) {
      pauses = addGap(pauses, pause)
    },
    turn,
    async start() {
      const { promise: patienceIsOver, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, patienceMs)
      await Promise.race([turn(), patienceIsOver])
      clearTimeout(timer)
      ticking = setInterval(() => void turn(), turnMs)
    },
    async close() {
      stopListening()
      clearInterval(ticking)
      clearTimeout(gathering)
      await turning
      if (opened === null) return
      await turn()
      await opened.close()
      opened = null
    },
  }
}
