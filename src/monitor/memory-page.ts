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

/** The columns of a chunk of targets, one for each field. */
export type MemoryPage = ReturnType<typeof createMemoryPage>

const statuses = ['up', 'down', 'unknown'] as const satisfies Health['status'][]
/** Stands for an unknown number of SYN retransmits. The kernel never sends that many (tcp_syn_retries is at most 127). */
const unseen = 255
const verdicts = ['up', 'down'] as const

/** Creates a chunk with empty rows. */
export function createMemoryPage() {
  return {
    status: wordColumn(),
    emittedStatus: wordColumn(),
    verdict: wordColumn(),
    streak: countColumn(),
    downReason: wordColumn(),
    since: nullableColumn(),
    /** 1 if the last outcome confirmed the status, which is nearly always so while all is well. Otherwise `confirmedAt` has the instant. */
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
    /** The reason of the last outcome; 0 if there is none. The columns below belong to that outcome. */
    reason: wordColumn(),
    answer: wordColumn(),
    startedAt: numberColumn(),
    endedAt: nullableColumn(),
    latencyMs: nullableColumn(),
    /** The number of SYN retransmits; 255 for null. */
    resent: wordColumn(),
    /** The dialled address, if it is not the target's own, as with a name. */
    address: sparseColumn<string | null>(),
    /** Present if one of the fields is not null, which is rare while all is well. */
    rest: sparseColumn<Pick<Outcome, 'icmp' | 'code' | 'note'>>(),
    lookupMs: sparseColumn<number>(),
    lookupFailedSince: sparseColumn<number>(),
    /** The health that was last read or written, cached because applying an outcome reads it several times. */
    last: { row: -1, health: unchecked },
  }
}

/** Returns the health of the target in a row. `own` is the target's literal address, if it has one. */
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

/** Returns when the last outcome ended, without building the health; null if there is no outcome. */
export function lastEndedAt(page: MemoryPage, row: number): number | null {
  return page.reason[row] === 0 ? null : (page.endedAt[row] as number)
}

/** Returns how long the last check took in milliseconds, without building the health; null if there is no outcome. */
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

/** Writes the health of the target in a row. `own` is the target's literal address, if it has one. */
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
