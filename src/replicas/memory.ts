import type { Clock } from '../clock.ts'
import type { Addresses } from '../domain/addresses.ts'
import type { Health } from '../domain/health.ts'
import type { Answer, IcmpError, Outcome, Reason } from '../domain/outcome.ts'
import type { Status } from '../domain/status.ts'
import type { ServiceMemory, TargetMemory } from '../monitor/watch.ts'

/** Which layout the lists below have. A replica passes over what a newer one writes otherwise, until it is replaced itself. */
const layout = 1

/** An outcome as a list; times are milliseconds since the epoch. */
type WrittenOutcome = [
  reason: Reason,
  startedAt: number,
  endedAt: number,
  address: string | null,
  latencyMs: number | null,
  synRetransmits: number | null,
  answer: Answer | null,
  icmp: IcmpError | null,
  code: string | null,
  others?: string | null,
]

type WrittenTarget = [
  layout: number,
  status: Health['status'],
  since: number | null,
  verdict: 'up' | 'down' | null,
  streak: number,
  confirmedAt: number | null,
  downReason: Reason | null,
  outcome: WrittenOutcome | null,
  announced: Status,
  checks: number,
  failures: number,
  connectMs: number,
  synRetransmits: number,
  lossAt: number | null,
]

type WrittenService = [
  layout: number,
  announced: Status,
  announcedAt: number | null,
  addresses: [name: string, ips: readonly string[]][],
]

/** What is remembered of a target, as JSON that every replica reads alike. */
export function writeTarget(memory: TargetMemory, clock: Clock): string {
  const { health, announced, checks, failures, connectMs, synRetransmits, lossAt } = memory
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
  return JSON.stringify(written)
}

function writeOutcome(outcome: Outcome, clock: Clock): WrittenOutcome {
  const { reason, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code, others } = outcome
  const [from, to] = [clock.toEpoch(startedAt), clock.toEpoch(endedAt)]
  const written: WrittenOutcome = [reason, from, to, address, latencyMs, synRetransmits, answer, icmp, code]
  // Nearly all targets have none: they are written as before.
  if (others !== null) written.push(others)
  return written
}

/** Reads what `writeTarget` wrote, parsed; null when another version of Porthole wrote it otherwise. */
export function readTarget(written: unknown, clock: Clock): TargetMemory | null {
  if (!isOfLayout(written)) return null
  const [, status, since, verdict, streak, confirmedAt, downReason, outcome, announced, ...rest] =
    written as WrittenTarget
  const [checks, failures, connectMs, synRetransmits, lossAt] = rest
  const instant = (epochMs: number | null) => (epochMs === null ? null : clock.fromEpoch(epochMs))
  const health: Health = {
    status,
    since: instant(since),
    streak: verdict === null ? null : { verdict, count: streak },
    confirmedAt: instant(confirmedAt),
    downReason,
    lastOutcome: outcome === null ? null : readOutcome(outcome, clock),
  }
  return { health, announced, checks, failures, connectMs, synRetransmits, lossAt: instant(lossAt) }
}

function readOutcome(written: WrittenOutcome, clock: Clock): Outcome {
  const [reason, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code, others = null] = written
  const [from, to] = [clock.fromEpoch(startedAt), clock.fromEpoch(endedAt)]
  return { reason, startedAt: from, endedAt: to, address, latencyMs, synRetransmits, answer, icmp, code, others }
}

/** What is remembered of a service itself, likewise. */
export function writeService({ announced, announcedAt, addresses }: ServiceMemory, clock: Clock): string {
  const at = announcedAt === null ? null : clock.toEpoch(announcedAt)
  const written: WrittenService = [layout, announced, at, [...addresses]]
  return JSON.stringify(written)
}

/** Reads what `writeService` wrote, parsed; null when another version of Porthole wrote it otherwise. */
export function readService(written: unknown, clock: Clock): ServiceMemory | null {
  if (!isOfLayout(written)) return null
  const [, announced, announcedAt, addresses] = written as WrittenService
  const at = announcedAt === null ? null : clock.fromEpoch(announcedAt)
  return { announced, announcedAt: at, addresses: new Map(addresses) satisfies Addresses }
}

function isOfLayout(written: unknown): boolean {
  return Array.isArray(written) && written[0] === layout
}
