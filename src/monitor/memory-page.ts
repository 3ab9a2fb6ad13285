import { type Health, unchecked } from '../domain/health.ts'
import { Answer, type Outcome, Reason } from '../domain/outcome.ts'
import {
  countColumn,
  nullableColumn,
  numberAt,
  numberColumn,
  placeOf,
  put,
  sparseColumn,
  wordAt,
  wordColumn,
} from './columns.ts'

/** What is remembered of the targets of a page, a column to each field. */
export type MemoryPage = ReturnType<typeof createMemoryPage>

const statuses = ['up', 'down', 'unknown'] as const satisfies Health['status'][]
/** A number of SYNs that the kernel never sends again (tcp_syn_retries is at most 127). */
const unseen = 255
const verdicts = ['up', 'down'] as const

/** Of rows that were never written: nothing is remembered of them. */
export function createMemoryPage() {
  return {
    status: wordColumn(),
    announced: wordColumn(),
    verdict: wordColumn(),
    streak: countColumn(),
    downReason: wordColumn(),
    since: nullableColumn(),
    /** Where the last outcome confirmed the status, which is nearly always so while all is well; else `confirmedAt` tells what did. */
    isConfirmed: wordColumn(),
    confirmedAt: sparseColumn<number>(),
    checks: countColumn(),
    failures: countColumn(),
    connectMs: numberColumn(),
    synRetransmits: countColumn(),
    lossAt: sparseColumn<number>(),
    lookupTotalMs: numberColumn(),
    slowLookupAt: sparseColumn<number>(),
    retired: wordColumn(),
    dueAt: numberColumn(),
    /** Of the last outcome; without a reason there is none. */
    reason: wordColumn(),
    answer: wordColumn(),
    startedAt: numberColumn(),
    endedAt: nullableColumn(),
    latencyMs: nullableColumn(),
    /** SYNs sent again; `unseen` for null. */
    resent: wordColumn(),
    /** Where it is not the target's own: that of a name. */
    address: sparseColumn<string | null>(),
    /** Where there is any of these, which is seldom while all is well. */
    rest: sparseColumn<Pick<Outcome, 'icmp' | 'code' | 'note'>>(),
    lookupMs: sparseColumn<number>(),
    lookupFailedSince: sparseColumn<number>(),
    /** What was last read or written, which is read several times while an outcome is taken in. */
    last: { row: -1, health: unchecked },
  }
}

/** `own` is the target's literal address, if it has one. */
export function readHealth(page: MemoryPage, row: number, own: string | null): Health {
  const { last } = page
  if (last.row === row) return last.health
  const verdict = wordAt(verdicts, page.verdict, row)
  const lastOutcome = readOutcome(page, row, own)
  last.health = {
    status: wordAt(statuses, page.status, row) ?? 'unknown',
    since: numberAt(page.since, row),
    streak: verdict === null ? null : { verdict, count: page.streak[row] as number },
    confirmedAt: page.isConfirmed[row] === 1 ? (lastOutcome?.endedAt ?? null) : (page.confirmedAt[row] ?? null),
    lastOutcome,
    downReason: wordAt(Reason.options, page.downReason, row),
  }
  last.row = row
  return last.health
}

/** What `readHealth` says of when the last outcome ended, for who wants nothing else. */
export function lastEndedAt(page: MemoryPage, row: number): number | null {
  return page.reason[row] === 0 ? null : (page.endedAt[row] as number)
}

/** The same of how long the check took that led to it. */
export function lastTookMs(page: MemoryPage, row: number): number | null {
  return page.reason[row] === 0 ? null : (page.endedAt[row] as number) - (page.startedAt[row] as number)
}

function readOutcome(page: MemoryPage, row: number, own: string | null): Outcome | null {
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
    note: rest?.note ?? null,
    lookupMs: page.lookupMs[row] ?? null,
    lookupFailedSince: page.lookupFailedSince[row] ?? null,
  }
}

export function writeHealth(page: MemoryPage, row: number, health: Health, own: string | null): void {
  const { status, since, streak, confirmedAt, lastOutcome, downReason } = health
  page.status[row] = placeOf(statuses, status)
  page.since[row] = since ?? Number.NaN
  page.verdict[row] = placeOf(verdicts, streak?.verdict)
  page.streak[row] = streak?.count ?? 0
  const isConfirmed = Object.is(confirmedAt, lastOutcome?.endedAt)
  page.isConfirmed[row] = isConfirmed ? 1 : 0
  put(page.confirmedAt, row, isConfirmed ? undefined : (confirmedAt ?? undefined))
  page.downReason[row] = placeOf(Reason.options, downReason)
  writeOutcome(page, row, lastOutcome, own)
  page.last.row = row
  page.last.health = health
}

function writeOutcome(page: MemoryPage, row: number, outcome: Outcome | null, own: string | null): void {
  page.reason[row] = placeOf(Reason.options, outcome?.reason)
  if (outcome === null) {
    page.endedAt[row] = Number.NaN
    page.latencyMs[row] = Number.NaN
    return
  }
  const {
    startedAt,
    endedAt,
    address,
    latencyMs,
    synRetransmits,
    answer,
    icmp,
    code,
    note,
    lookupMs,
    lookupFailedSince,
  } = outcome
  page.startedAt[row] = startedAt
  page.endedAt[row] = endedAt
  page.latencyMs[row] = latencyMs ?? Number.NaN
  page.resent[row] = synRetransmits ?? unseen
  page.answer[row] = placeOf(Answer.options, answer)
  put(page.address, row, address === own ? undefined : address)
  const isPlain = icmp === null && code === null && note === null
  put(page.lookupMs, row, lookupMs ?? undefined)
  put(page.lookupFailedSince, row, lookupFailedSince ?? undefined)
  put(page.rest, row, isPlain ? undefined : { icmp, code, note })
}
