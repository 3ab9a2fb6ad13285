import type { ForeignWord } from '../domain/foreign-settings.ts'
import { mostAheadMs } from '../domain/stored-values.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import { readTransition } from '../store/read-transition.ts'
import type { FeedEntry } from './feed.ts'
import { type JoinParts, loadLog, rereadStore } from './join.ts'
import { parseJson } from './parse.ts'
import { readRecords } from './publication.ts'
import type { Sharing } from './sharing.ts'

/** Takes in what all replicas say, in the order in which it counts. */
export type Intake = {
  /**
   * Takes in an entry. Throws where that fails, which is a bug; the same entry is passed over the next time, so that joining the others again helps.
   */
  take(entry: FeedEntry): void
  /** Reads the registry and the log of transitions anew, as something in the store was mended. */
  reread(): Promise<void>
  /** From now on entries wait, as what went before them is not known here. */
  hold(): void
  /** What went before is known: those that waited are taken in, and from now on each as it comes. */
  release(): void
  isHolding(): boolean
  /** The newest transition that all know, as far as this replica does; before it knows of any, nothing is news. */
  lastShared(): number
}

export type IntakeParts = {
  readonly id: string
  readonly joinParts: JoinParts
  readonly log: TransitionLog
  readonly sharing: Pick<Sharing, 'take'>
  /** Replicas came or went, or another file may count. */
  readonly onMembers: () => void
  /** What the store keeps could not be taken in, which is a bug: only joining the others again helps. */
  readonly onBroken: (error: Error) => void
  /** An entry, or a part of one, cannot be read; why, as a clause. */
  readonly onUnreadable: (entry: number, why: string) => void
  /** An entry is of a kind that this version does not know. */
  readonly onForeign: (word: ForeignWord) => void
  /** Everything up to this entry is taken in. */
  readonly onTaken: (entry: number) => void
}

export function createIntake({
  id,
  joinParts,
  log,
  sharing,
  onMembers,
  onBroken,
  onUnreadable,
  onForeign,
  onTaken,
}: IntakeParts): Intake {
  const { clock, sharedRegistry } = joinParts
  let waiting: FeedEntry[] | null = null
  /** How often entries had to wait, which tells one time from the next. */
  let held = 0
  let lastShared = Number.POSITIVE_INFINITY
  /** The number of the last entry that could not be taken in. */
  let passedOver: number | null = null

  function take(entry: FeedEntry): void {
    if (waiting !== null) {
      waiting.push(entry)
      return
    }
    if (entry.number !== passedOver) {
      try {
        takeNow(entry)
      } catch (error) {
        passedOver = entry.number
        throw error
      }
    }
    onTaken(entry.number)
  }

  function takeNow({ number, fields }: FeedEntry): void {
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
    // Its own it knows.
    if (fields.get('replica') !== id) {
      const records = readRecords(parse('records'))
      const unread = records === null ? null : sharing.take(number, records)
      if (unread !== 0) onUnreadable(number, unread === null ? 'its records are no list' : `${unread} of its records`)
    }
    const transitions = parse('transitions')
    if (Array.isArray(transitions)) takeTransitions(number, transitions)
    else onUnreadable(number, 'its transitions are no list')
  }

  function takeTransitions(number: number, written: readonly unknown[]): void {
    const latest = clock.toEpoch(clock.now()) + mostAheadMs
    const read = written.map((transition) => readTransition(transition, latest))
    for (const why of read) if (typeof why === 'string') onUnreadable(number, `of its transitions: ${why}`)
    const transitions = read.filter((one) => typeof one !== 'string')
    log.add(transitions.map((transition) => ({ ...transition, at: clock.fromEpoch(transition.at) })))
    lastShared = log.lastId()
  }

  /** Reads something of the store anew, as when another replica gave it what it remembers. Meanwhile nothing is added to that. */
  async function reload(load: () => Promise<unknown>): Promise<void> {
    hold()
    const during = held
    try {
      await load()
      if (held === during) release()
    } catch (error) {
      onBroken(error as Error)
    }
  }

  function hold(): void {
    waiting = []
    held++
  }

  function release(): void {
    lastShared = log.lastId()
    const entries = waiting ?? []
    waiting = null
    for (const entry of entries) take(entry)
  }

  return {
    take,
    reread: () => (waiting === null ? reload(() => rereadStore(joinParts, lastShared)) : Promise.resolve()),
    hold,
    release,
    isHolding: () => waiting !== null,
    lastShared: () => lastShared,
  }
}
