import fastJson from 'fast-json-stringify'
import Negotiator from 'negotiator'
import { z } from 'zod'
import { HealthJson, serviceAsHealthJson, setAsHealthJson } from './health-json.ts'
import { ServiceReport } from './reports.ts'
import { SetReport, tellCounts } from './set-reports.ts'

const json = 'application/json'
const healthJson = 'application/health+json'
const text = 'text/plain'

/** The media types that health is answered in, the default first. */
export const mediaTypes = [json, healthJson, text] as const
export type MediaType = (typeof mediaTypes)[number]
/** As they are sent: who asks for `text/plain;charset=utf-8` is given it. */
const offered = mediaTypes.map((type) => `${type};charset=utf-8`)

/** The media type a caller prefers; the default where it accepts none of ours, since a probe wants the status code more than the body. */
export function preferredType(accept: string | undefined): MediaType {
  if (accept === undefined || accept === '*/*' || accept === json) return json
  const best = new Negotiator({ headers: { accept } }).mediaType(offered)
  return mediaTypes.find((type) => best?.startsWith(type)) ?? json
}

/** A function that writes what a schema describes as JSON, compiled once. OpenAPI 3.0's `nullable` is what it writes fastest: an `anyOf` is validated for every value. */
function writerOf<Schema extends z.ZodType>(schema: Schema): (value: z.infer<Schema>) => string {
  return fastJson(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'output' }) as fastJson.AnySchema)
}

const writeService = writerOf(ServiceReport)
const writeSet = writerOf(SetReport)
const writeHealthJson = writerOf(HealthJson)

/** A service's report in a media type. `passes` is what the HTTP status says. */
export function renderService(report: ServiceReport, type: MediaType, passes: boolean): string {
  if (type === json) return writeService(report)
  if (type === healthJson) return writeHealthJson(serviceAsHealthJson(report, passes))
  return `${serviceLine(report)}\n`
}

/** A set's report in a media type. `passes` is what the HTTP status says. */
export function renderSet(report: SetReport, type: MediaType, passes: boolean): string {
  if (type === json) return writeSet(report)
  if (type === healthJson) return writeHealthJson(setAsHealthJson(report, passes))
  const summary = `${report.status}: ${tellCounts(report.counts)}`
  const width = Math.max(0, ...report.services.map(({ service }) => service.length))
  const warnings = report.warnings.map((warning) => `warning: ${warning}`)
  return `${[summary, ...warnings, ...report.services.map((service) => serviceLine(service, width))].join('\n')}\n`
}

const longestStatus = 'degraded'.length

function serviceLine(report: ServiceReport, nameWidth = 0): string {
  const faults = report.targets.filter(({ status }) => status !== 'up')
  const shown = faults.length === 0 ? report.targets : faults
  const sentences = shown.map(({ target, message }) => `${target}: ${message}`)
  const { status, service, targetsUp, targetsTotal } = report
  const line = `${status.padEnd(longestStatus)}  ${service.padEnd(nameWidth)}  ${targetsUp}/${targetsTotal} up`
  return sentences.length === 0 ? line : `${line}  ${sentences.join('; ')}`
}
