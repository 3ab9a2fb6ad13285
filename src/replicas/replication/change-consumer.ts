import type { ForeignWord } from '../../domain/service/foreign-settings.ts'
import { mostAheadMs } from '../../domain/values/stored-values.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import { readTransition } from '../../store/read-transition.ts'
import { parseJson } from '../parse-json.ts'
import type { FeedEntry } from './change-feed.ts'
import type { HealthReplication } from './health-replication.ts'
import { readRecords } from './publish-protocol.ts'
import { type JoinParts, loadLog, rereadStore } from './reconcile.ts'

/** The change consumer: applies the entries of all replicas, in the order of the stream. */
export type ChangeConsumer = {
  /** Applies an entry. An exception is a bug. The consumer skips the same entry the next time, so that the replica can join the others again. */
  applyEntry(entry: FeedEntry): void
  /** Reads the registry and the transition log again, because an entry of the store was repaired. */
  reread(): Promise<void>
  /** Pauses: entries wait from now on, because this replica does not know the changes before them. */
  pause(): void
  /** Resumes: applies the waiting entries, and from now on each entry as it arrives. */
  resume(): void
  isPaused(): boolean
  /**
   * Returns the id of the newest shared transition that this replica knows. Before there is one it returns infinity, so that no old transition is
   * reported as new.
   */
  lastShared(): number
}

export type ChangeConsumerParts = {
  readonly id: string
  readonly joinParts: JoinParts
  readonly log: TransitionLog
  readonly healthReplication: Pick<HealthReplication, 'applyEntry'>
  /** Called when replicas joined or left, or when another file may count. */
  readonly onMembers: () => void
  /** Called when data of the store could not be applied, which is a bug. Only joining the others again helps. */
  readonly onBroken: (error: Error) => void
  /** Called when an entry, or a part of one, cannot be read. `why` is a clause. */
  readonly onUnreadable: (entry: number, why: string) => void
  /** Called for an entry of a kind that this version does not know. */
  readonly onForeign: (word: ForeignWord) => void
  /** Called when all entries up to this one are applied. */
  readonly onTaken: (entry: number) => void
}

export function createChangeConsumer({
  id,
  joinParts,
  log,
  healthReplication,
  onMembers,
  onBroken,
  onUnreadable,
  onForeign,
  onTaken,
}: ChangeConsumerParts): ChangeConsumer {
  const { clock, sharedRegistry } = joinParts
  let waiting: FeedEntry[] | null = null
  /** How often the consumer was paused. The count tells one pause from the next. */
  let held = 0
  let lastShared = Number.POSITIVE_INFINITY
  /** The number of the last entry that could not be applied. */
  let skippedEntry: number | null = null

  function applyEntry(entry: FeedEntry): void {
    if (waiting !== null) {
      waiting.push(entry)
      return
    }
    if (entry.number !== skippedEntry) {
      try {
        applyNow(entry)
      } catch (error) {
        skippedEntry = entry.number
        throw error
      }
    }
    onTaken(entry.number)
  }

  function applyNow({ number, fields }: FeedEntry): void {
    const kind = fields.get('kind') ?? ''
    if (kind === 'members') onMembers()
    else if (kind === 'health') takeHealth(number, fields)
    else if (kind === 'log') void reload(async () => loadLog(joinParts, lastShared))
    else if (!sharedRegistry.takes(kind)) onForeign({ kind: 'entry', word: kind, where: `entry ${number}` })
    else {
      const why = sharedRegistry.whyUnreadable(kind, fields)
      if (why !== null) onUnreadable(number, why)
      else sharedRegistry.take(kind, fields)
    }
  }

  function takeHealth(number: number, fields: ReadonlyMap<string, string>): void {
    const parse = (field: string) => parseJson(fields.get(field) ?? '[]')
    // A replica already knows its own records.
    if (fields.get('replica') !== id) {
      const records = readRecords(parse('records'))
      const unread = records === null ? null : healthReplication.applyEntry(number, records)
      if (unread !== 0)
        onUnreadable(number, unread === null ? 'its records are not a list' : `${unread} of its records are invalid`)
    }
    const transitions = parse('transitions')
    if (Array.isArray(transitions)) takeTransitions(number, transitions)
    else onUnreadable(number, 'its transitions are not a list')
  }

  function takeTransitions(number: number, written: readonly unknown[]): void {
    const latest = clock.toEpoch(clock.now()) + mostAheadMs
    const read = written.map((transition) => readTransition(transition, latest))
    for (const why of read)
      if (typeof why === 'string') onUnreadable(number, `one of its transitions is invalid: ${why}`)
    const transitions = read.filter((one) => typeof one !== 'string')
    log.add(transitions.map((transition) => ({ ...transition, at: clock.fromEpoch(transition.at) })))
    lastShared = log.lastId()
  }

  /** Reads a part of the store again, for example after another replica has backfilled the transition log. Entries wait during the read. */
  async function reload(load: () => Promise<unknown>): Promise<void> {
    pause()
    const during = held
    try {
      await load()
      if (held === during) resume()
    } catch (error) {
      onBroken(error as Error)
    }
  }

  function pause(): void {
    waiting = []
    held++
  }

  function resume(): void {
    lastShared = log.lastId()
    const entries = waiting ?? []
    waiting = null
    for (const entry of entries) applyEntry(entry)
  }

  return {
    applyEntry,
    reread: () => (waiting === null ? reload(() => rereadStore(joinParts, lastShared)) : Promise.resolve()),
    pause,
    resume,
    isPaused: () => waiting !== null,
    lastShared: () => lastShared,
  }
}
