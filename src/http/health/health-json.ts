import { z } from 'zod'
import type { ReportedStatus } from '../../domain/health/status.ts'
import type { ServiceReport, TargetReport } from './reports.ts'
import { describeCounts, type SetSummary } from './set-reports.ts'

const Result = z.enum(['pass', 'warn', 'fail'])

/** The shape of draft-inadarei-api-health-check-06. */
export const HealthJson = z
  .object({
    status: Result,
    serviceId: z.string().optional(),
    description: z.string(),
    output: z
      .string()
      .optional()
      .meta({ description: 'Why it is not a pass; absent on a pass, and where only details would say why.' }),
    checks: z.record(
      z
        .string()
        .meta({ description: '`{service}:responseTime`; in the name a colon is written `%3A`, a percent sign `%25`.' }),
      z.array(
        z.object({
          componentId: z.string(),
          componentType: z.literal('component'),
          status: Result,
          observedValue: z.number().nullable(),
          observedUnit: z.literal('ms'),
          time: z.string().meta({ format: 'date-time' }).optional(),
          output: z.string().optional(),
        }),
      ),
    ),
  })
  .meta({ id: 'HealthJson', description: 'The format of draft-inadarei-api-health-check-06.' })
export type HealthJson = z.infer<typeof HealthJson>

/**
 * Returns the result for a status. `unknown` is not a pass, because Porthole cannot promise a status that it does not know. The draft ties `fail` to a
 * 4xx or 5xx, and the other results to 2xx or 3xx (§3.1).
 */
function resultOf(status: ReportedStatus, passes = status === 'up' || status === 'degraded'): z.infer<typeof Result> {
  if (!passes) return 'fail'
  return status === 'up' ? 'pass' : 'warn'
}

function checkOf(target: TargetReport): HealthJson['checks'][string][number] {
  return {
    componentId: target.target,
    componentType: 'component',
    status: resultOf(target.status),
    observedValue: target.latencyMs,
    observedUnit: 'ms',
    ...(target.checkedAt === null ? {} : { time: target.checkedAt }),
    ...(target.status === 'up' ? {} : { output: target.message }),
  }
}

/**
 * Returns the key of a service. A key has one colon, between component and measurement (§4). Percent signs are escaped too, because otherwise two
 * services could share a key.
 */
function keyOf(service: string): string {
  return `${service.replace(/[%:]/g, encodeURIComponent)}:responseTime`
}

/** Returns the checks of the services whose reports show targets. */
export function checksOf(reports: readonly ServiceReport[]): HealthJson['checks'] {
  const shown = reports.filter(({ targets }) => targets.length > 0)
  return Object.fromEntries(shown.map(({ service, targets }) => [keyOf(service), targets.map(checkOf)]))
}

/** Returns a service's report in the shape of the draft. */
export function serviceAsHealthJson(report: ServiceReport, passes: boolean): HealthJson {
  const drained = report.status === 'draining' ? ['draining: taken out of service by its operator'] : []
  const faults = report.targets
    .filter(({ status }) => status !== 'up')
    .map(({ target, message }) => `${target}: ${message}`)
  const expired = report.message === null ? [] : [`expired: ${report.message}`]
  const result = resultOf(report.status, passes)
  const output = result === 'pass' ? '' : [...drained, ...expired, ...faults].join('; ')
  return {
    status: result,
    serviceId: report.service,
    description: `${report.targetsUp} of ${report.targetsTotal} targets up, quorum ${report.quorum}`,
    ...(output === '' ? {} : { output }),
    checks: checksOf([report]),
  }
}

/** Returns the status and description of a set in the shape of the draft. Its `output` and `checks` are written in chunks elsewhere. */
export function setAsHealthJson(summary: SetSummary, passes: boolean): Pick<HealthJson, 'status' | 'description'> {
  return {
    status: resultOf(summary.status, passes),
    description: `${describeCounts(summary.counts)}, quorum ${summary.quorum}`,
  }
}
