import type { Clock } from '../clock.ts'
import type { Addresses } from '../domain/addresses.ts'
import type { Health } from '../domain/health.ts'
import { Answer, type IcmpError, type Outcome, reasonOf } from '../domain/outcome.ts'
import { Status } from '../domain/status.ts'
import type { ServiceMemory, TargetMemory } from '../monitor/watch.ts'

/**
 * The layout of the lists below. A newer version may append elements to a list and use words that this one does not know: the elements are
 * passed over, and the words are read as `other`, null or `unknown`. A change that cannot be read that way has another number here,
 * and replicas of an older version pass over the whole list.
 */
const layout = 1

/** An outcome as a list; times are milliseconds since the epoch. */
type WrittenOutcome = [
  reason: string,
  startedAt: number,
  endedAt: number,
  address: string | null,
  latencyMs: number | null,
  synRetransmits: number | null,
  answer: string | null,
  icmp: IcmpError | null,
  code: string | null,
  note?: string | null,
  lookupFailedSince?: number | null,
  lookupMs?: number | null,
]

type WrittenTarget = [
  layout: number,
  status: string,
  since: number | null,
  verdict: string | null,
  streak: number,
  confirmedAt: number | null,
  downReason: string | null,
  outcome: WrittenOutcome | null,
  announced: string,
  checks: number,
  failures: number,
  connectMs: number,
  synRetransmits: number,
  lossAt: number | null,
  lookupTotalMs?: number,
  slowLookupAt?: number | null,
]

type WrittenService = [
  layout: number,
  announced: string,
  announcedAt: number | null,
  addresses: [name: string, ips: readonly string[]][],
]

/** What is remembered of a target, as JSON that every replica reads alike. */
export function writeTarget(memory: TargetMemory, clock: Clock): string {
  const { health, announced, checks, failures, connectMs, synRetransmits, lossAt, lookupTotalMs, slowLookupAt } = memory
  const { status, since, streak, confirmedAt, downReason, lastOutcome } = health
  const epoch = (instant: number | null) => (instant === null ? null : clock.toEpoch(instant))
  const written: WrittenTarget = [
    layout,
    status,
    epoch(since),
    streak?.verdict ?? null,
    streak?.count ?? 0,
    epoch(confirmedAt),
    downReason,
    lastOutcome === null ? null : writeOutcome(lastOutcome, clock),
    announced,
    checks,
    failures,
    connectMs,
    synRetransmits,
    epoch(lossAt),
  ]
  // Literal addresses are written as before.
  if (lookupTotalMs > 0 || slowLookupAt !== null) written.push(lookupTotalMs, epoch(slowLookupAt))
  return JSON.stringify(written)
}

function writeOutcome(outcome: Outcome, clock: Clock): WrittenOutcome {
  const { reason, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code } = outcome
  const { note, lookupFailedSince, lookupMs } = outcome
  const [from, to] = [clock.toEpoch(startedAt), clock.toEpoch(endedAt)]
  // A reason that this version does not know is handed on as it came.
  const [word, detail] = reason === 'other' ? [code ?? reason, null] : [reason, code]
  const written: WrittenOutcome = [word, from, to, address, latencyMs, synRetransmits, answer, icmp, detail]
  // Nearly all targets have none: they are written as before.
  if (note === null && lookupFailedSince === null && lookupMs === null) return written
  written.push(note, lookupFailedSince === null ? null : clock.toEpoch(lookupFailedSince), lookupMs)
  return written
}

/** Reads what `writeTarget` wrote, parsed; null when another version of Porthole wrote it in another layout. */
export function readTarget(written: unknown, clock: Clock): TargetMemory | null {
  if (!isOfLayout(written)) return null
  const [, status, since, verdict, streak, confirmedAt, downReason, outcome, announced, ...rest] =
    written as WrittenTarget
  const [checks, failures, connectMs, synRetransmits, lossAt, lookupTotalMs, slowLookupAt] = rest
  const instant = (epochMs: number | null) => (epochMs === null ? null : clock.fromEpoch(epochMs))
  const health: Health = {
    status: knownWord(settled, status) ?? 'unknown',
    since: instant(since),
    streak: verdict === 'up' || verdict === 'down' ? { verdict, count: streak } : null,
    confirmedAt: instant(confirmedAt),
    downReason: downReason === null ? null : reasonOf(downReason),
    lastOutcome: outcome === null ? null : readOutcome(outcome, clock),
  }
  return {
    health,
    announced: knownWord(Status.options, announced) ?? 'unknown',
    checks,
    failures,
    connectMs,
    synRetransmits,
    lossAt: instant(lossAt),
    lookupTotalMs: numberOf(lookupTotalMs) ?? 0,
    slowLookupAt: instantOf(slowLookupAt, clock),
  }
}

function readOutcome(written: WrittenOutcome, clock: Clock): Outcome {
  const [word, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code, ...more] = written
  const [note, lookupFailedSince, lookupMs] = more
  const reason = reasonOf(word)
  return {
    reason,
    startedAt: clock.fromEpoch(startedAt),
    endedAt: clock.fromEpoch(endedAt),
    address,
    latencyMs,
    synRetransmits,
    answer: knownWord(Answer.options, answer),
    icmp,
    code: reason === 'other' ? word : code,
    note: typeof note === 'string' ? note : null,
    lookupMs: numberOf(lookupMs),
    lookupFailedSince: instantOf(lookupFailedSince, clock),
  }
}

/** Returns an appended number; null where an older version left it out. */
function numberOf(written: unknown): number | null {
  return typeof written === 'number' ? written : null
}

function instantOf(epochMs: unknown, clock: Clock): number | null {
  return typeof epochMs === 'number' ? clock.fromEpoch(epochMs) : null
}

const settled = ['up', 'down', 'unknown'] as const satisfies Health['status'][]

/** Returns a word if it is in a list; null when it is not, as a newer version may write it. */
function knownWord<Word extends string>(list: readonly Word[], word: string | null): Word | null {
  return list.find((known) => known === word) ?? null
}

/** What is remembered of a service itself, likewise. */
export function writeService({ announced, announcedAt, addresses }: ServiceMemory, clock: Clock): string {
  const at = announcedAt === null ? null : clock.toEpoch(announcedAt)
  const written: WrittenService = [layout, announced, at, [...addresses]]
  return JSON.stringify(written)
}

/** Reads what `writeService` wrote, parsed; null when another version of Porthole wrote it in another layout. */
export function readService(written: unknown, clock: Clock): ServiceMemory | null {
  if (!isOfLayout(written)) return null
  const [, announced, announcedAt, addresses] = written as WrittenService
  const at = announcedAt === null ? null : clock.fromEpoch(announcedAt)
  return {
    announced: knownWord(Status.options, announced) ?? 'unknown',
    announcedAt: at,
    addresses: new Map(addresses) satisfies Addresses,
  }
}

function isOfLayout(written: unknown): boolean {
  return Array.isArray(written) && written[0] === layout
}
