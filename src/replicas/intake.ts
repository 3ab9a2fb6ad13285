import type { ForeignWord } from '../domain/foreign-settings.ts'
import { inKnownWords, type LoggedTransition } from '../domain/transition.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import type { FeedEntry } from './feed.ts'
import { type JoinParts, loadLog } from './join.ts'
import type { Records } from './publication.ts'
import type { Sharing } from './sharing.ts'

/** Takes in what all replicas say, in the order in which it counts. */
export type Intake = {
  take(entry: FeedEntry): void
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
  /** What an entry says of the registry cannot be read, as a sentence. */
  readonly onProblem: (problem: string) => void
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
  onProblem,
  onForeign,
  onTaken,
}: IntakeParts): Intake {
  const { clock, sharedRegistry } = joinParts
  let waiting: FeedEntry[] | null = null
  /** How often entries had to wait, which tells one time from the next. */
  let held = 0
  let lastShared = Number.POSITIVE_INFINITY

  function take(entry: FeedEntry): void {
    if (waiting !== null) {
      waiting.push(entry)
      return
    }
    const { number, fields } = entry
    const kind = fields.get('kind') ?? ''
    if (kind === 'members') onMembers()
    else if (kind === 'health') takeHealth(number, fields)
    else if (kind === 'log') void reloadLog()
    else if (!sharedRegistry.takes(kind)) onForeign({ kind: 'entry', word: kind, where: `entry ${number}` })
    else {
      const problem = sharedRegistry.take(kind, fields)
      if (problem !== null) onProblem(problem)
    }
    onTaken(number)
  }

  function takeHealth(number: number, fields: ReadonlyMap<string, string>): void {
    const parse = (field: string) => JSON.parse(fields.get(field) ?? '[]')
    // Its own it knows.
    if (fields.get('replica') !== id) sharing.take(number, parse('records') as Records)
    const transitions = parse('transitions') as LoggedTransition[]
    log.add(transitions.map((transition) => inKnownWords({ ...transition, at: clock.fromEpoch(transition.at) })))
    lastShared = log.lastId()
  }

  /** Another replica gave the store what it remembers of what happened. Meanwhile nothing is added to that. */
  async function reloadLog(): Promise<void> {
    hold()
    const during = held
    try {
      await loadLog(joinParts, lastShared)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      onProblem(`the log of transitions cannot be read: ${error.message}`)
    }
    if (held === during) release()
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

  return { take, hold, release, isHolding: () => waiting !== null, lastShared: () => lastShared }
}
