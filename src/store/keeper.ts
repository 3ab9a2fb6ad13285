import { type Clock, type Dating, stepMs } from '../clock.ts'
import { type Absence, addAbsence } from '../domain/absence.ts'
import type { LoggedTransition } from '../domain/transition.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import { readKept } from './read-kept.ts'
import type { Kept, KeptTransition, Store, Stored } from './store.ts'

/** How a store is doing. */
export type Keeping = {
  /** Why it cannot keep anything now, as a sentence; null while it can. */
  readonly failure: string | null
  /** Transitions that are not in the store yet. */
  readonly waiting: number
}

/** Holds on to a store that may fail, and to what could not be written to it. */
export type Keeper = {
  /** The store: while there is none to be had, whatever is asked of it fails and says why. */
  readonly store: Store
  keeping(): Keeping
  /** Keeps that this process did not run between two instants of the clock, once the store can be written. */
  addAbsence(absence: Absence): void
  /** Opens the store if it is not open, writes what waits, and notes that Porthole runs. Once at a time. */
  turn(): Promise<void>
  /** Goes on taking turns; resolves after the first, or when that takes too long. */
  start(): Promise<void>
  /** Writes what waits, if it can be written, and closes the store. */
  close(): Promise<void>
}

export type KeeperParts = {
  readonly name: Store['name']
  readonly open: () => Promise<Stored<Store>>
  readonly log: TransitionLog
  readonly clock: Clock
  /** By which dating the clock tells times now; null where a corrected clock corrects nothing in the store. */
  readonly dating?: () => Dating | null
  /** Once, when the store could be read. Until it resolves nobody can ask the store for anything. */
  readonly onLoad: (kept: Kept) => void | Promise<void>
  /** When it begins to fail, fails otherwise, or works again: then with null. */
  readonly onFailure: (failure: string | null) => void
  /** How often a turn is taken: a failed store is tried again, and what one crash can make unknown is bounded by it. */
  readonly turnMs?: number
  /** How long transitions wait for others to be written with. */
  readonly gatherMs?: number
  /** How long the store may take for an answer before it is said to fail. */
  readonly patienceMs?: number
}

/** How far ahead of the clock may lie what another process told that ended while this one began, in milliseconds. */
const aheadMs = 60_000
/** How many transitions are written at once. */
const portion = 1000

export function createKeeper(parts: KeeperParts): Keeper {
  const { name, open, log, clock, onLoad, onFailure, turnMs = 5000, gatherMs = 100, patienceMs = 5000 } = parts
  const { dating = () => null } = parts
  const startedAt = clock.now()
  let opened: Store | null = null
  /** Up to this id all transitions are in the store. */
  let keptUpTo = log.lastId()
  /** When this process paused, as long as that is not in the store: instants of the clock. */
  let pauses: readonly Absence[] = []
  /** When no Porthole ran before this one, as long as that is not in the store: milliseconds since the epoch. */
  let absence: Absence | null = null
  /** By which dating the log was read. */
  let readBy: Dating | null = null
  let failure: string | null = `the ${name} store is not open yet`
  let toldFailure: string | null = null
  /** Answers that are awaited for too long already. */
  let overdue = 0
  let turning: Promise<void> | null = null
  let ticking: NodeJS.Timeout | undefined
  let gathering: NodeJS.Timeout | undefined

  const toEpoch = (instant: number) => Math.floor(clock.toEpoch(instant))

  /** Notes how the store does, and passes on what it answered. */
  function note<Value>(stored: Stored<Value>): Stored<Value> {
    failure = stored.ok ? null : stored.failure
    if (failure !== toldFailure) onFailure(failure)
    toldFailure = failure
    return stored
  }

  /** Waits for an answer however long it takes, as what was asked may yet be done; but tells when that is too long. */
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

  async function ask<Value>(wish: (store: Store) => Promise<Stored<Value>>): Promise<Stored<Value>> {
    if (opened === null) return { ok: false, failure: failure ?? `the ${name} store is closed` }
    if (overdue > 0 && failure !== null) return { ok: false, failure }
    return note(await awaitAnswer(wish(opened)))
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
    // A new store begins when it is made, and has nothing to tell of what this process logged before.
    if (aliveAt !== null || transitions.length > 0) {
      keptUpTo = Math.max(transitions.at(-1)?.id ?? 0, completeAfter.id)
      log.restore(readKept(loaded.value, clock))
      absence = absenceBefore(loaded.value)
    }
    await onLoad(loaded.value)
    readBy = dating()
    // What was kept is watched by now, so that which is not is gone.
    log.endUnwatched()
    opened = found.value
    return true
  }

  /** From when Porthole last ran until this process began. Where the clock is behind, the one seems to be after the other. */
  function absenceBefore({ aliveAt, absences }: Kept): Absence | null {
    const from = Math.max(aliveAt ?? Number.NEGATIVE_INFINITY, absences.at(-1)?.to ?? Number.NEGATIVE_INFINITY)
    const to = toEpoch(startedAt)
    // A process that ends while the next one begins is off by less.
    const isBehind = dating() !== null && from - to > aheadMs
    return Number.isFinite(from) && (from < to || isBehind) ? { from, to } : null
  }

  /** The dating of what is told from here to the next `await`. */
  const datingNow = () => dating() ?? undefined

  /** Writes absences before the next heartbeat, because the heartbeat would hide them. */
  async function keepAbsences(): Promise<boolean> {
    const before = absence
    if (before !== null) {
      const kept = await ask((store) => store.addAbsence({ ...before, to: toEpoch(startedAt) }, datingNow(), 'to'))
      if (!kept.ok) return false
      absence = null
    }
    for (const pause of pauses) {
      const added = { from: toEpoch(pause.from), to: toEpoch(pause.to) }
      const kept = await ask((store) => store.addAbsence(added, datingNow(), 'both'))
      if (!kept.ok) return false
      pauses = pauses.filter((one) => one !== pause)
    }
    return true
  }

  /** The clock was corrected, and the store corrected the times it was told before: so does the log, from what is kept now. */
  async function rereadIfCorrected(): Promise<void> {
    const by = dating()
    if (by === null || readBy === null || Math.abs(by.bootedAt - readBy.bootedAt) <= stepMs) return
    const loaded = await ask((store) => store.load())
    if (!loaded.ok) return
    log.redate(readKept(loaded.value, clock))
    readBy = by
  }

  async function flush(): Promise<boolean> {
    for (;;) {
      const waiting = log.after(keptUpTo, portion)
      // Some were forgotten before the store could take them.
      const missing = waiting === null
      const batch = waiting ?? log.find({}).reverse().slice(0, portion)
      const newest = batch.at(-1)
      if (newest === undefined) return true
      const kept = await ask((store) => store.append(batch.map(keep), missing, datingNow()))
      if (!kept.ok) return false
      keptUpTo = newest.id
    }
  }

  function keep(transition: LoggedTransition): KeptTransition {
    return { ...transition, at: toEpoch(transition.at) }
  }

  async function takeTurn(): Promise<void> {
    if (opened === null && !(await load())) return
    if (!(await keepAbsences()) || !(await flush())) return
    const kept = await ask((store) => store.beat(toEpoch(clock.now()), datingNow()))
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
      addAbsence: (absence, dating, ownEnds) => ask((store) => store.addAbsence(absence, dating, ownEnds)),
      beat: (now, dating) => ask((store) => store.beat(now, dating)),
      close: async () => opened?.close(),
    },
    keeping: () => ({ failure, waiting: log.after(keptUpTo)?.length ?? log.find({}).length }),
    addAbsence(pause) {
      pauses = addAbsence(pauses, pause)
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
