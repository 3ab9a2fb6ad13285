import { type Health, unchecked } from '../domain/health.ts'
import { Answer, type Outcome, Reason } from '../domain/outcome.ts'
import { Status } from '../domain/status.ts'
import type { Target } from '../domain/target.ts'
import { type Columns, createColumns, rowOf, rowsPerPage } from './columns.ts'
import type { Check, TargetMemory, WatchedService, WatchedTarget } from './watch.ts'

/**
 * What is remembered of targets, as columns: a hundred thousand healths and outcomes as objects would be ten million words for the
 * garbage collector to look at, and every outcome would put others in their place.
 */
export type TargetMemories = {
  /** Watches a target that was never checked, in a slot that is no other's. */
  watch(target: Target, watchedService: WatchedService, slot: number): WatchedTarget
}

export function createTargetMemories(): TargetMemories {
  const columns = createColumns(createPage)
  return {
    watch(target, watchedService, slot) {
      const watched = new TargetInColumns(target, watchedService, slot, columns)
      Object.assign(watched, nothing)
      return watched
    },
  }
}

const nothing: TargetMemory & Pick<WatchedTarget, 'dueAt'> = {
  health: unchecked,
  announced: 'unknown',
  checks: 0,
  failures: 0,
  connectMs: 0,
  synRetransmits: 0,
  lossAt: null,
  dueAt: 0,
}

type Page = ReturnType<typeof createPage>

const statuses = ['up', 'down', 'unknown'] as const satisfies Health['status'][]
/** A number of SYNs that the kernel never sends again (tcp_syn_retries is at most 127). */
const unseen = 255
const verdicts = ['up', 'down'] as const

/** Of rows that were never written: nothing is remembered of them. */
function createPage() {
  const numbers = () => new Float64Array(rowsPerPage)
  /** NaN for null. */
  const instants = () => numbers().fill(Number.NaN)
  /** Up to four billion: fourteen years of checks, ten a second. */
  const counts = () => new Uint32Array(rowsPerPage)
  /** Places in a list of words. */
  const words = () => new Uint8Array(rowsPerPage)
  return {
    status: words(),
    announced: words(),
    verdict: words(),
    streak: counts(),
    downReason: words(),
    since: instants(),
    confirmedAt: instants(),
    checks: counts(),
    failures: counts(),
    connectMs: numbers(),
    synRetransmits: counts(),
    lossAt: instants(),
    dueAt: numbers(),
    /** Of the last outcome; without a reason there is none. */
    reason: words(),
    answer: words(),
    startedAt: numbers(),
    endedAt: numbers(),
    latencyMs: numbers(),
    /** SYNs sent again; `unseen` for null. */
    resent: new Uint8Array(rowsPerPage),
    /** Where it is not the target's own: that of a name. */
    address: [] as (string | null | undefined)[],
    /** Where there is either, which is seldom while all is well. */
    rest: [] as (Pick<Outcome, 'icmp' | 'code'> | undefined)[],
    /** What was last read or written, which is read several times while an outcome is taken in. */
    last: { row: -1, health: unchecked },
  }
}

/** A class, so that the ways to its columns are there once and not for every target. */
class TargetInColumns implements WatchedTarget {
  slot: number
  target: Target
  readonly watchedService: WatchedService
  check: Check | 'waiting' | null = null
  retired = false
  readonly #columns: Columns<Page>

  constructor(target: Target, watchedService: WatchedService, slot: number, columns: Columns<Page>) {
    this.target = target
    this.watchedService = watchedService
    this.slot = slot
    this.#columns = columns
  }

  get #page(): Page {
    return this.#columns.pageOf(this.slot)
  }

  get health(): Health {
    return readHealth(this.#page, rowOf(this.slot), this.target.address)
  }
  set health(health: Health) {
    writeHealth(this.#page, rowOf(this.slot), health, this.target.address)
  }

  get announced(): Status {
    return wordAt(Status.options, this.#page.announced, rowOf(this.slot)) ?? 'unknown'
  }
  set announced(status: Status) {
    this.#page.announced[rowOf(this.slot)] = placeOf(Status.options, status)
  }

  get checks(): number {
    return this.#page.checks[rowOf(this.slot)] as number
  }
  set checks(count: number) {
    this.#page.checks[rowOf(this.slot)] = count
  }

  get failures(): number {
    return this.#page.failures[rowOf(this.slot)] as number
  }
  set failures(count: number) {
    this.#page.failures[rowOf(this.slot)] = count
  }

  get connectMs(): number {
    return this.#page.connectMs[rowOf(this.slot)] as number
  }
  set connectMs(ms: number) {
    this.#page.connectMs[rowOf(this.slot)] = ms
  }

  get synRetransmits(): number {
    return this.#page.synRetransmits[rowOf(this.slot)] as number
  }
  set synRetransmits(count: number) {
    this.#page.synRetransmits[rowOf(this.slot)] = count
  }

  get lossAt(): number | null {
    return numberAt(this.#page.lossAt, rowOf(this.slot))
  }
  set lossAt(instant: number | null) {
    this.#page.lossAt[rowOf(this.slot)] = instant ?? Number.NaN
  }

  get dueAt(): number {
    return this.#page.dueAt[rowOf(this.slot)] as number
  }
  set dueAt(instant: number) {
    this.#page.dueAt[rowOf(this.slot)] = instant
  }
}

function readHealth(page: Page, row: number, own: string | null): Health {
  const { last } = page
  if (last.row === row) return last.health
  const verdict = wordAt(verdicts, page.verdict, row)
  last.health = {
    status: wordAt(statuses, page.status, row) ?? 'unknown',
    since: numberAt(page.since, row),
    streak: verdict === null ? null : { verdict, count: page.streak[row] as number },
    confirmedAt: numberAt(page.confirmedAt, row),
    lastOutcome: readOutcome(page, row, own),
    downReason: wordAt(Reason.options, page.downReason, row),
  }
  last.row = row
  return last.health
}

/** `own` is the target's literal address, if it has one. */
function readOutcome(page: Page, row: number, own: string | null): Outcome | null {
  const reason = wordAt(Reason.options, page.reason, row)
  if (reason === null) return null
  const address = page.address[row]
  const resent = page.resent[row] as number
  const rest = page.rest[row]
  return {
    reason,
    startedAt: page.startedAt[row] as number,
    endedAt: page.endedAt[row] as number,
    address: address === undefined ? own : address,
    latencyMs: numberAt(page.latencyMs, row),
    synRetransmits: resent === unseen ? null : resent,
    answer: wordAt(Answer.options, page.answer, row),
    icmp: rest?.icmp ?? null,
    code: rest?.code ?? null,
  }
}

function writeHealth(page: Page, row: number, health: Health, own: string | null): void {
  const { status, since, streak, confirmedAt, lastOutcome, downReason } = health
  page.status[row] = placeOf(statuses, status)
  page.since[row] = since ?? Number.NaN
  page.verdict[row] = placeOf(verdicts, streak?.verdict)
  page.streak[row] = streak?.count ?? 0
  page.confirmedAt[row] = confirmedAt ?? Number.NaN
  page.downReason[row] = placeOf(Reason.options, downReason)
  writeOutcome(page, row, lastOutcome, own)
  page.last.row = row
  page.last.health = health
}

function writeOutcome(page: Page, row: number, outcome: Outcome | null, own: string | null): void {
  page.reason[row] = placeOf(Reason.options, outcome?.reason)
  if (outcome === null) return
  const { startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code } = outcome
  page.startedAt[row] = startedAt
  page.endedAt[row] = endedAt
  page.latencyMs[row] = latencyMs ?? Number.NaN
  page.resent[row] = synRetransmits ?? unseen
  page.answer[row] = placeOf(Answer.options, answer)
  put(page.address, row, address === own ? undefined : address)
  put(page.rest, row, icmp === null && code === null ? undefined : { icmp, code })
}

/** Leaves a column as short as it can be. */
function put<Value>(column: (Value | undefined)[], row: number, value: Value | undefined): void {
  if (value !== undefined || column[row] !== undefined) column[row] = value
}

/** Null is NaN. */
function numberAt(column: Float64Array, row: number): number | null {
  const number = column[row] as number
  return Number.isNaN(number) ? null : number
}

/** Null is 0, and the first word of the list 1. */
function wordAt<Word>(list: readonly Word[], column: Uint8Array, row: number): Word | null {
  return list[(column[row] as number) - 1] ?? null
}

function placeOf<Word>(list: readonly Word[], word: Word | null | undefined): number {
  return word == null ? 0 : list.indexOf(word) + 1
}
