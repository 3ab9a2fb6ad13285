import { z } from 'zod'
import { Reason } from '../../domain/check/outcome-schema.ts'
import type { Gap } from '../../domain/health/gap.ts'
import { Status } from '../../domain/health/status.ts'
import type { LoggedTransition } from '../../domain/health/transition.ts'
import { measureUptime } from '../../domain/health/uptime.ts'
import type { ServiceState } from '../../monitor/state/state.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import { uptimeEvidence } from '../../monitor/transitions/uptime-evidence.ts'
import type { Clock } from '../../runtime/clock.ts'
import { isoTime } from '../health/reports.ts'

const time = z.string().meta({ format: 'date-time' })
const milliseconds = z.int().nonnegative()

/** The report of a transition in the API. */
export const TransitionReport = z
  .object({
    id: z.string().meta({ description: 'Grows with time.' }),
    at: time,
    service: z.string(),
    target: z.string().nullable().meta({ description: "Null when it is the service's own status that changed." }),
    from: Status,
    to: Status,
    reason: Reason.nullable().meta({
      description: 'The reason of the last check; null when no check caused the change.',
    }),
    message: z.string().meta({ description: 'One sentence for people.' }),
  })
  .meta({ id: 'TransitionReport' })
export type TransitionReport = z.infer<typeof TransitionReport>

/** Returns the report of one transition. */
export function reportTransition(transition: LoggedTransition, clock: Clock): TransitionReport {
  const { id, at, service, target, from, to, reason, message } = transition
  return { id: String(id), at: isoTime(at, clock), service, target, from, to, reason, message }
}

/** A page of transitions, the newest first. */
export const TransitionPage = z
  .object({
    transitions: z.array(TransitionReport),
    next: z.string().nullable().meta({ description: 'The `cursor` of the next page; null on the last.' }),
    completeSince: time.meta({
      description: 'No transition after this time is missing. Earlier ones may be forgotten.',
    }),
    gaps: z.array(z.object({ from: time, to: time })).meta({
      description:
        'The times between `from` and `to` of the query when Porthole was not running; the newest first, `limit` at most.',
    }),
  })
  .meta({ id: 'TransitionPage' })
type TransitionPage = z.infer<typeof TransitionPage>

/** Returns the report of a gap: a time when Porthole was not running. */
export function reportGap({ from, to }: Gap, clock: Clock): TransitionPage['gaps'][number] {
  return { from: isoTime(from, clock), to: isoTime(to, clock) }
}

/** How long a service was up, down and unknown, in each window up to now. */
export const UptimeReport = z
  .object({
    service: z.string(),
    windows: z.array(
      z.object({
        window: z.string().meta({ description: '`24h`, `7d` or `30d`.' }),
        from: time,
        to: time,
        uptime: z.number().nullable().meta({
          description:
            'upMs / (upMs + downMs), to 6 decimals; 1 only where there was no downtime, null where nothing is known.',
        }),
        upMs: milliseconds.meta({ description: 'Up or degraded.' }),
        downMs: milliseconds,
        unknownMs: milliseconds.meta({
          description: 'Unknown, Porthole was not running, or before the oldest transition in the log.',
        }),
      }),
    ),
  })
  .meta({ id: 'UptimeReport' })
export type UptimeReport = z.infer<typeof UptimeReport>

const hourMs = 3_600_000
/** The windows that uptime is reported for, with their lengths in milliseconds. */
const lengths = { '24h': 24 * hourMs, '7d': 7 * 24 * hourMs, '30d': 30 * 24 * hourMs } as const
export const uptimeWindows = Object.keys(lengths) as (keyof typeof lengths)[]

/** Returns the uptime of one service in each window up to now. */
export function reportUptime(state: ServiceState, log: TransitionLog, clock: Clock): UptimeReport {
  const to = clock.now()
  const evidence = uptimeEvidence(state, log, to)
  return {
    service: state.service.name,
    windows: uptimeWindows.map((window) => {
      const from = to - lengths[window]
      const { ratio, ...parts } = measureUptime({ ...evidence, from, to })
      return { window, from: isoTime(from, clock), to: isoTime(to, clock), uptime: ratio, ...parts }
    }),
  }
}
