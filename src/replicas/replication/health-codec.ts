import { isIP } from 'node:net'
import { answers, type IcmpError, isForeign, type Outcome, reasonOf } from '../../domain/check/outcome.ts'
import type { Health } from '../../domain/health/health.ts'
import { Status } from '../../domain/health/status.ts'
import type { Addresses } from '../../domain/target/addresses.ts'
import { parseTarget } from '../../domain/target/target.ts'
import { isAmount } from '../../domain/values/stored-values.ts'
import type { ServiceSnapshot, TargetSnapshot } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'

/**
 * The format version of the lists below. A newer Porthole may append elements to a list and use new words under the same number. An older version
 * skips these elements, and reads these words as `other`, null or `unknown`. A change that cannot be read that way needs another number, and replicas
 * of an older version then skip the whole list.
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

/** Encodes the health of a target as JSON. Every replica decodes it to the same values. */
export function writeTarget(snapshot: TargetSnapshot, clock: Clock): string {
  const { health, emittedStatus, checks, failures, connectMs, synRetransmits, lossAt, lookupTotalMs, slowLookupAt } =
    snapshot
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
    emittedStatus,
    checks,
    failures,
    connectMs,
    synRetransmits,
    epoch(lossAt),
  ]
  // A literal address needs no look-ups, so its list stays as older versions write it.
  if (lookupTotalMs > 0 || slowLookupAt !== null) written.push(lookupTotalMs, epoch(slowLookupAt))
  return JSON.stringify(written)
}

function writeOutcome(outcome: Outcome, clock: Clock): WrittenOutcome {
  const { reason, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code } = outcome
  const { note, lookupFailedSince, lookupMs } = outcome
  const [from, to] = [clock.toEpoch(startedAt), clock.toEpoch(endedAt)]
  // A reason that this version does not know is passed on unchanged.
  const [word, detail] = isForeign(reason) ? [code ?? reason, null] : [reason, code]
  const written: WrittenOutcome = [word, from, to, address, latencyMs, synRetransmits, answer, icmp, detail]
  // Nearly all targets have none of these, so their list stays as older versions write it.
  if (note === null && lookupFailedSince === null && lookupMs === null) return written
  written.push(note, lookupFailedSince === null ? null : clock.toEpoch(lookupFailedSince), lookupMs)
  return written
}

/**
 * Decodes the JSON of `writeTarget`, once parsed. Returns null for another format version, and for data of another program. The checks are written by
 * hand, because a replica reads thousands of these in one turn of the event loop, and a schema takes ten times as long.
 */
export function readTarget(written: unknown, clock: Clock): TargetSnapshot | null {
  if (!isTarget(written)) return null
  const [, status, since, verdict, streak, confirmedAt, downReason, outcome, emittedStatus, ...rest] = written
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
    emittedStatus: knownWord(Status.options, emittedStatus) ?? 'unknown',
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
    answer: knownWord(answers, answer),
    icmp,
    code: isForeign(reason) ? word : code,
    note: typeof note === 'string' ? note : null,
    lookupMs: numberOf(lookupMs),
    lookupFailedSince: instantOf(lookupFailedSince, clock),
  }
}

/** Returns an appended number; null if an older version left it out. */
function numberOf(written: unknown): number | null {
  return typeof written === 'number' ? written : null
}

function instantOf(epochMs: unknown, clock: Clock): number | null {
  return typeof epochMs === 'number' ? clock.fromEpoch(epochMs) : null
}

const settled = ['up', 'down', 'unknown'] as const satisfies Health['status'][]

/** Returns the word if the list has it, and otherwise null, because a newer version may write other words. */
function knownWord<Word extends string>(list: readonly Word[], word: string | null): Word | null {
  return list.find((known) => known === word) ?? null
}

/** Encodes the state of a service itself as JSON. */
export function writeService({ emittedStatus, emittedAt, addresses }: ServiceSnapshot, clock: Clock): string {
  const at = emittedAt === null ? null : clock.toEpoch(emittedAt)
  const written: WrittenService = [layout, emittedStatus, at, [...addresses]]
  return JSON.stringify(written)
}

/** Decodes the JSON of `writeService`, once parsed. Returns null for another format version, and for data of another program. */
export function readService(written: unknown, clock: Clock): ServiceSnapshot | null {
  if (!isService(written)) return null
  const [, emittedStatus, emittedAt, addresses] = written
  const at = emittedAt === null ? null : clock.fromEpoch(emittedAt)
  return {
    emittedStatus: knownWord(Status.options, emittedStatus) ?? 'unknown',
    emittedAt: at,
    addresses: new Map(addresses) satisfies Addresses,
  }
}

function isOfLayout(written: unknown): written is unknown[] {
  return Array.isArray(written) && written[0] === layout
}

/**
 * Returns whether no version of Porthole writes such a value to a field, or such a name or address. A list in the format of a newer version is
 * readable. `isKnown`: Porthole checks a target of this name, so the name is not validated again.
 */
export function isUnreadable(field: string, written: unknown, isKnown = false): boolean {
  if (Array.isArray(written) && Number.isSafeInteger(written[0]) && (written[0] as number) > layout) return false
  if (field === '') return !isService(written) || !written[3].every(([, ips]) => ips.every((ip) => isIP(ip) !== 0))
  return (
    !isTarget(written) ||
    !isAddress.test(written[7]?.[3] ?? '-') ||
    (!isKnown && typeof parseTarget(field) === 'string')
  )
}

function isTarget(written: unknown): written is WrittenTarget {
  if (!isOfLayout(written)) return false
  const [, status, since, verdict, streak, confirmedAt, downReason, outcome, emittedStatus, ...counts] = written
  const [checks, failures, connectMs, synRetransmits, lossAt] = counts
  return (
    typeof status === 'string' &&
    isTime(since) &&
    isText(verdict) &&
    isAmount(streak) &&
    isTime(confirmedAt) &&
    isText(downReason) &&
    (outcome === null || isOutcome(outcome)) &&
    typeof emittedStatus === 'string' &&
    isAmount(checks) &&
    isAmount(failures) &&
    isAmount(connectMs) &&
    isAmount(synRetransmits) &&
    isTime(lossAt)
  )
}

function isOutcome(written: unknown): written is WrittenOutcome {
  if (!Array.isArray(written)) return false
  const [reason, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code] = written
  return (
    typeof reason === 'string' &&
    isTime(startedAt) &&
    startedAt !== null &&
    isTime(endedAt) &&
    endedAt !== null &&
    isText(address) &&
    (latencyMs === null || isAmount(latencyMs)) &&
    (synRetransmits === null || isAmount(synRetransmits)) &&
    isText(answer) &&
    (icmp === null || isIcmp(icmp)) &&
    isText(code)
  )
}

function isIcmp(written: unknown): written is IcmpError {
  if (typeof written !== 'object' || written === null) return false
  const { version, type, code, from } = written as Record<string, unknown>
  return (version === 4 || version === 6) && isAmount(type) && isAmount(code) && isText(from)
}

function isService(written: unknown): written is WrittenService {
  if (!isOfLayout(written)) return false
  const [, emittedStatus, emittedAt, addresses] = written
  return typeof emittedStatus === 'string' && isTime(emittedAt) && Array.isArray(addresses) && addresses.every(isFound)
}

/** Returns whether a value is a name with its addresses. */
function isFound(written: unknown): boolean {
  if (!Array.isArray(written)) return false
  const [name, ips] = written
  return typeof name === 'string' && Array.isArray(ips) && ips.every((ip) => typeof ip === 'string')
}

/** A literal address and port: printable ASCII, as long as an IPv6 address with its zone. */
const isAddress = /^[!-~]{1,120}$/
const isText = (written: unknown): written is string | null => written === null || typeof written === 'string'
const isTime = (written: unknown): written is number | null =>
  written === null || (typeof written === 'number' && Math.abs(written) < maxDateMs)
/** The limit of the times that a `Date` can hold, in milliseconds from the epoch (ECMA-262 §21.4.1.1). */
const maxDateMs = 8.64e15
