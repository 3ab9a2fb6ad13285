import { bucketStatuses } from '../../domain/health/time-buckets.ts'
import { measureUptime } from '../../domain/health/uptime.ts'
import type { ServiceState } from '../../monitor/state/state.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import { uptimeEvidence } from '../../monitor/transitions/uptime-evidence.ts'
import type { Clock } from '../../runtime/clock.ts'
import { formatUptime } from '../badge/badge.ts'
import { strip } from '../parts/charts.ts'
import type { Markup } from '../parts/markup.ts'

const halfHourMs = 1_800_000
const slices = 48
const dayMs = slices * halfHourMs

/**
 * Returns the last 24 hours of a service: a strip of 48 half hours, and the uptime as a percentage, null where nothing is known.
 * Half hours begin at full and half hours of the clock. Otherwise an event would move from one bar to the next as time passes.
 */
export function uptimeStripOf(
  state: ServiceState,
  log: TransitionLog,
  clock: Clock,
): { strip: Markup; uptime: string | null } {
  const now = clock.now()
  const evidence = uptimeEvidence(state, log, now)
  const { ratio } = measureUptime({ ...evidence, from: now - dayMs, to: now })
  const uptime = ratio === null ? null : formatUptime(ratio)
  const end = clock.fromEpoch((Math.floor(clock.toEpoch(now) / halfHourMs) + 1) * halfHourMs)
  const statuses = bucketStatuses({ ...evidence, from: end - dayMs, to: end }, slices)
  const bad = (['down', 'degraded'] as const).flatMap((status) => {
    const count = statuses.filter((slice) => slice === status).length
    return count === 0 ? [] : [`${status} in ${count} of ${slices} half hours`]
  })
  return { strip: strip(statuses, `last 24 hours: ${[`uptime ${uptime ?? 'unknown'}`, ...bad].join(', ')}`), uptime }
}
