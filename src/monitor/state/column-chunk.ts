import { answers, type Outcome, reasons } from '../../domain/check/outcome.ts'
import { type Health, neverChecked } from '../../domain/health/health.ts'
import {
  countColumn,
  enumAt,
  enumColumn,
  nullableColumn,
  numberAt,
  numberColumn,
  placeOf,
  put,
  sparseColumn,
} from './columns.ts'

/** The columns of a chunk of targets, one for each field. */
export type ColumnChunk = ReturnType<typeof createColumnChunk>

const statuses = ['up', 'down', 'unknown'] as const satisfies Health['status'][]
/** Stands for an unknown number of SYN retransmits. The kernel never sends that many (tcp_syn_retries is at most 127). */
const unseen = 255
const verdicts = ['up', 'down'] as const

/** Creates a chunk with empty rows. */
export function createColumnChunk() {
  return {
    status: enumColumn(),
    emittedStatus: enumColumn(),
    verdict: enumColumn(),
    streak: countColumn(),
    downReason: enumColumn(),
    since: nullableColumn(),
    /** 1 if the last outcome confirmed the status, which is nearly always so while all is well. Otherwise `confirmedAt` has the instant. */
    isConfirmed: enumColumn(),
    confirmedAt: sparseColumn<number>(),
    checks: countColumn(),
    failures: countColumn(),
    connectMs: numberColumn(),
    synRetransmits: countColumn(),
    lossAt: sparseColumn<number>(),
    lookupTotalMs: numberColumn(),
    slowLookupAt: sparseColumn<number>(),
    retired: enumColumn(),
    dueAt: numberColumn(),
    /** The reason of the last outcome; 0 if there is none. The columns below belong to that outcome. */
    reason: enumColumn(),
    answer: enumColumn(),
    startedAt: numberColumn(),
    endedAt: nullableColumn(),
    latencyMs: nullableColumn(),
    /** The number of SYN retransmits; 255 for null. */
    resent: enumColumn(),
    /** The dialled address, if it is not the target's own, as with a name. */
    address: sparseColumn<string | null>(),
    /** Present if one of the fields is not null, which is rare while all is well. */
    rest: sparseColumn<Pick<Outcome, 'icmp' | 'code' | 'note'>>(),
    lookupMs: sparseColumn<number>(),
    lookupFailedSince: sparseColumn<number>(),
    /** The health that was last read or written, cached because applying an outcome reads it several times. */
    last: { row: -1, health: neverChecked },
  }
}

/** Returns the health of the target in a row. `own` is the target's literal address, if it has one. */
export function readHealth(chunk: ColumnChunk, row: number, own: string | null): Health {
  const { last } = chunk
  if (last.row === row) return last.health
  const verdict = enumAt(verdicts, chunk.verdict, row)
  const lastOutcome = readOutcome(chunk, row, own)
  last.health = {
    status: enumAt(statuses, chunk.status, row) ?? 'unknown',
    since: numberAt(chunk.since, row),
    streak: verdict === null ? null : { verdict, count: chunk.streak[row] as number },
    confirmedAt: chunk.isConfirmed[row] === 1 ? (lastOutcome?.endedAt ?? null) : (chunk.confirmedAt[row] ?? null),
    lastOutcome,
    downReason: enumAt(reasons, chunk.downReason, row),
  }
  last.row = row
  return last.health
}

/** Returns when the last outcome ended, without building the health; null if there is no outcome. */
export function lastEndedAt(chunk: ColumnChunk, row: number): number | null {
  return chunk.reason[row] === 0 ? null : (chunk.endedAt[row] as number)
}

/** Returns how long the last check took in milliseconds, without building the health; null if there is no outcome. */
export function lastTookMs(chunk: ColumnChunk, row: number): number | null {
  return chunk.reason[row] === 0 ? null : (chunk.endedAt[row] as number) - (chunk.startedAt[row] as number)
}

function readOutcome(chunk: ColumnChunk, row: number, own: string | null): Outcome | null {
  const reason = enumAt(reasons, chunk.reason, row)
  if (reason === null) return null
  const address = chunk.address[row]
  const resent = chunk.resent[row] as number
  const rest = chunk.rest[row]
  return {
    reason,
    startedAt: chunk.startedAt[row] as number,
    endedAt: chunk.endedAt[row] as number,
    address: address === undefined ? own : address,
    latencyMs: numberAt(chunk.latencyMs, row),
    synRetransmits: resent === unseen ? null : resent,
    answer: enumAt(answers, chunk.answer, row),
    icmp: rest?.icmp ?? null,
    code: rest?.code ?? null,
    note: rest?.note ?? null,
    lookupMs: chunk.lookupMs[row] ?? null,
    lookupFailedSince: chunk.lookupFailedSince[row] ?? null,
  }
}

/** Writes the health of the target in a row. `own` is the target's literal address, if it has one. */
export function writeHealth(chunk: ColumnChunk, row: number, health: Health, own: string | null): void {
  const { status, since, streak, confirmedAt, lastOutcome, downReason } = health
  chunk.status[row] = placeOf(statuses, status)
  chunk.since[row] = since ?? Number.NaN
  chunk.verdict[row] = placeOf(verdicts, streak?.verdict)
  chunk.streak[row] = streak?.count ?? 0
  const isConfirmed = Object.is(confirmedAt, lastOutcome?.endedAt)
  chunk.isConfirmed[row] = isConfirmed ? 1 : 0
  put(chunk.confirmedAt, row, isConfirmed ? undefined : (confirmedAt ?? undefined))
  chunk.downReason[row] = placeOf(reasons, downReason)
  writeOutcome(chunk, row, lastOutcome, own)
  chunk.last.row = row
  chunk.last.health = health
}

function writeOutcome(chunk: ColumnChunk, row: number, outcome: Outcome | null, own: string | null): void {
  chunk.reason[row] = placeOf(reasons, outcome?.reason)
  if (outcome === null) {
    chunk.endedAt[row] = Number.NaN
    chunk.latencyMs[row] = Number.NaN
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
  chunk.startedAt[row] = startedAt
  chunk.endedAt[row] = endedAt
  chunk.latencyMs[row] = latencyMs ?? Number.NaN
  chunk.resent[row] = synRetransmits ?? unseen
  chunk.answer[row] = placeOf(answers, answer)
  put(chunk.address, row, address === own ? undefined : address)
  const isPlain = icmp === null && code === null && note === null
  put(chunk.lookupMs, row, lookupMs ?? undefined)
  put(chunk.lookupFailedSince, row, lookupFailedSince ?? undefined)
  put(chunk.rest, row, isPlain ? undefined : { icmp, code, note })
}
