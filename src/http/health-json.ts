import { z } from 'zod'
import type { Status } from '../domain/status.ts'
import type { ServiceReport, SetReport, TargetReport } from './reports.ts'

const Result = z.enum(['pass', 'warn', 'fail'])

/** The shape of draft-inadarei-api-health-check-06. */
export const HealthJson = z
  .object({
    status: Result,
    serviceId: z.string().optional(),
    description: z.string(),
    output: z.string().optional().meta({ description: 'Why it is not a pass; absent on a pass.' }),
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
  .meta({ id: 'HealthJson', description: 'As in draft-inadarei-api-health-check-06.' })
export type HealthJson = z.infer<typeof HealthJson>

/** Unknown is no pass: who cannot tell must not promise. The draft ties `fail` to a 4xx or 5xx and the others to 2xx or 3xx (§3.1). */
function resultOf(status: Status, passes = status === 'up' || status === 'degraded'): z.infer<typeof Result> {
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

/** A key has one colon, between component and measurement (§4). Percent signs are escaped as well, or two services could share a key. */
function checksOf({ service, targets }: ServiceReport): [string, HealthJson['checks'][string]] {
  return [`${service.replace(/[%:]/g, encodeURIComponent)}:responseTime`, targets.map(checkOf)]
}

/** A service's report in the draft's shape. */
export function serviceAsHealthJson(report: ServiceReport, passes: boolean): HealthJson {
  const faults = report.targets
    .filter(({ status }) => status !== 'up')
    .map(({ target, message }) => `${target}: ${message}`)
  return {
    status: resultOf(report.status, passes),
    serviceId: report.service,
    description: `${report.targetsUp} of ${report.targetsTotal} targets up, quorum ${report.quorum}`,
    ...(faults.length === 0 ? {} : { output: faults.join('; ') }),
    checks: Object.fromEntries([checksOf(report)]),
  }
}

/** A set's report in the draft's shape. */
export function setAsHealthJson(report: SetReport, passes: boolean): HealthJson {
  const { up, degraded, down, unknown } = report.counts
  const faults = report.services
    .filter(({ status }) => status !== 'up')
    .map(({ service, status }) => `${service} is ${status}`)
  return {
    status: resultOf(report.status, passes),
    description: `${up} up, ${degraded} degraded, ${down} down, ${unknown} unknown, quorum ${report.quorum}`,
    ...(faults.length === 0 ? {} : { output: faults.join('; ') }),
    checks: Object.fromEntries(report.services.map(checksOf)),
  }
}
