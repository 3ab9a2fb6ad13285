import { z } from 'zod'
import { advise } from '../../domain/check/advice.ts'
import { Answer, Reason } from '../../domain/check/outcome-schema.ts'
import { ReportedStatus, type Status } from '../../domain/health/status.ts'
import { explainExpiry } from '../../domain/service/lifetime.ts'
import type { Service } from '../../domain/service/service.ts'
import {
  type CurrentStatus,
  currentStatusOf,
  effectiveTargetStatus,
  explainTarget,
  type ServiceState,
  type TargetState,
} from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'

const time = z.string().meta({ format: 'date-time' }).nullable()
const count = z.int().nonnegative()

/** An ICMP error (RFC 792, RFC 4443). */
const IcmpReport = z.object({
  version: z.literal([4, 6]),
  type: count,
  code: count,
  from: z.string().nullable().meta({ description: 'The address of its sender.' }),
})

/** The report of a target in the API. */
export const TargetReport = z
  .object({
    target: z.string().meta({ description: '`host:port` as configured, or as found by a look-up.' }),
    resolvedFrom: z.string().nullable().meta({
      description: 'The configured target whose name resolved to this one; null for a configured target.',
    }),
    status: z.enum(['up', 'down', 'unknown']),
    reason: Reason.nullable().meta({ description: 'The reason of the last check; null before the first.' }),
    message: z.string().meta({ description: 'One sentence for people: the outcome, and its usual meaning.' }),
    advice: z
      .string()
      .nullable()
      .meta({ description: 'A fault to look at before it becomes an outage; null when there is none.' }),
    latencyMs: z
      .number()
      .nullable()
      .meta({ description: 'Handshake time of the last check; null when nothing answered.' }),
    synRetransmits: count
      .nullable()
      .meta({ description: 'SYNs sent again in the last check; null where the prober cannot see them.' }),
    answer: Answer.nullable().meta({
      description:
        'The answer to the last SYN. The SYN never left where ARP or neighbour discovery brought no answer: from the host (`no-neighbour`), from the gateway on the way to it (`no-gateway`), or from one of the two where the route cannot be read (`no-next-hop`). `zero-window`: a SYN-ACK as SYN proxies send it, whether or not anything listens behind them. Null where the prober cannot see it.',
    }),
    icmp: IcmpReport.nullable().meta({ description: 'The ICMP error that came instead of an answer.' }),
    address: z.string().nullable().meta({ description: 'The literal address dialled last.' }),
    lookupMs: z.number().nullable().meta({
      description:
        'How long the last check waited for the look-up of the name; null for a literal address, and where the answer was cached.',
    }),
    streak: count.meta({ description: 'How many verdicts in a row equal the last one.' }),
    streakVerdict: z.enum(['up', 'down']).nullable(),
    since: time.meta({
      description: 'When the status last changed; for a target that was added and not checked yet, when it was added.',
    }),
    checkedAt: time.meta({ description: 'When the last check ended.' }),
  })
  .meta({ id: 'TargetReport' })
export type TargetReport = z.infer<typeof TargetReport>

/** The report of a service in the API. */
export const ServiceReport = z
  .object({
    service: z.string(),
    status: ReportedStatus.meta({
      description: '`draining`: an operator took it out of service, whatever the status of its targets.',
    }),
    reason: z.enum(['expired']).nullable().meta({
      description:
        'Why it is down, whatever the status of its targets. `expired`: its registration was not renewed within its `ttl`. Null where its targets say why.',
    }),
    message: z.string().nullable().meta({
      description: 'One sentence for people on `reason`; null without one, and for callers that may not see details.',
    }),
    since: time.meta({ description: 'When the status that its targets give it last changed.' }),
    checkedAt: time.meta({
      description: 'When the target with the oldest check was checked; null while a target was never checked.',
    }),
    quorum: z.string().meta({ description: '`all`, `any`, a count, or a share such as `50%`.' }),
    groups: z.array(z.string()),
    targetsUp: count,
    targetsTotal: count.meta({ description: 'Includes targets that were added and do not count yet.' }),
    checkedBy: z
      .object({
        replica: z.string(),
        solo: z.boolean().meta({
          description: 'It cannot reach the others and checks everything itself, so they may report another status.',
        }),
      })
      .nullable()
      .meta({
        description:
          'The replica that checks it. Null where Porthole runs alone, while no replica does, and for callers that may not see details.',
      }),
    targets: z.array(TargetReport).meta({ description: 'Empty for callers that may not see details.' }),
  })
  .meta({ id: 'ServiceReport' })
export type ServiceReport = z.infer<typeof ServiceReport>

/** The report of a service in a list: without sentences, replica and targets. */
export const ServiceSummary = ServiceReport.omit({ message: true, checkedBy: true, targets: true }).meta({
  id: 'ServiceSummary',
})
export type ServiceSummary = z.infer<typeof ServiceSummary>

/** Returns an instant in the form of the API: RFC 3339, in UTC. */
export function isoTime(instant: number, clock: Clock): string
export function isoTime(instant: number | null, clock: Clock): string | null
export function isoTime(instant: number | null, clock: Clock): string | null {
  return instant === null ? null : new Date(clock.toEpoch(instant)).toISOString()
}

function reportTarget(state: TargetState, clock: Clock, now: number): TargetReport {
  const { target, health, serviceState } = state
  const { policy } = serviceState.service
  const { status, since } = effectiveTargetStatus(state, now)
  const outcome = health.lastOutcome
  return {
    target: target.name,
    resolvedFrom: target.resolvedFrom,
    status,
    reason: outcome?.reason ?? null,
    message: explainTarget(state, now),
    advice: advise(policy, outcome, state, now),
    latencyMs: outcome?.latencyMs ?? null,
    synRetransmits: outcome?.synRetransmits ?? null,
    answer: outcome?.answer ?? null,
    icmp: outcome?.icmp ?? null,
    address: outcome?.address ?? null,
    lookupMs: outcome?.lookupMs ?? null,
    streak: health.streak?.count ?? 0,
    streakVerdict: health.streak?.verdict ?? null,
    since: isoTime(since, clock),
    checkedAt: isoTime(outcome?.endedAt ?? null, clock),
  }
}

/** Returns the status that a service is reported with: `draining` while it is drained. */
export function reportedStatus({ drained }: ServiceState, status: Status): ReportedStatus {
  return drained ? 'draining' : status
}

/** Returns the sentence that a service's registration expired; null while it has not. */
export function whyExpired({ expiredTtlMs }: Service): string | null {
  return expiredTtlMs === null ? null : explainExpiry(expiredTtlMs)
}

/** Returns the report of a service in a list, with its current status. */
export function summarize(state: ServiceState, clock: Clock, current: CurrentStatus): ServiceSummary {
  const { name, quorum, groups, expiredTtlMs } = state.service
  return {
    service: name,
    status: reportedStatus(state, current.status),
    reason: expiredTtlMs === null ? null : 'expired',
    since: isoTime(current.since, clock),
    checkedAt: isoTime(state.checkedAt, clock),
    quorum: String(quorum),
    groups: [...groups],
    targetsUp: current.counts.up,
    targetsTotal: state.targets.length,
  }
}

type ServiceReportOptions = { now?: number; current?: CurrentStatus; details?: boolean }

/** Returns the report of one service, with its current status. Without details it shows no targets. */
export function reportService(
  state: ServiceState,
  clock: Clock,
  { now = clock.now(), current = currentStatusOf(state, now), details = true }: ServiceReportOptions = {},
): ServiceReport {
  const targets = details ? state.targets : []
  return {
    ...summarize(state, clock, current),
    message: details ? whyExpired(state.service) : null,
    checkedBy: details ? state.checkedBy : null,
    targets: targets.map((target) => reportTarget(target, clock, now)),
  }
}
