import fastJson from 'fast-json-stringify'
import Negotiator from 'negotiator'
import { z } from 'zod'
import { checksOf, HealthJson, serviceAsHealthJson, setAsHealthJson } from './health-json.ts'
import { ServiceReport } from './reports.ts'
import { type Listed, SetReport, type SetSummary, tellCounts } from './set-reports.ts'

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

/**
 * A set's report in a media type, a piece to each service: of a hundred thousand that are down they are more than anything is to hold.
 * `reports` are those of `listed`, made as they are asked for. `passes` is what the HTTP status says.
 */
export function renderSet(
  set: { summary: SetSummary; listed: readonly Listed[]; reports: Iterable<ServiceReport> },
  type: MediaType,
  passes: boolean,
): Generator<string> {
  const { summary, listed, reports } = set
  if (type === json) return within(() => writeSet({ ...summary, services: [] }), ']}', writtenAs(writeService, reports))
  if (type === text) return setLines(summary, listed, reports)
  return within(
    () => JSON.stringify({ ...setAsHealthJson(summary, listed, passes), checks: {} } satisfies HealthJson),
    '}}',
    writtenAs((report) => JSON.stringify(checksOf([report])).slice(1, -1), reports),
  )
}

/** JSON whose last list or object is empty, with members put into it, a piece to each, of which some may be empty; `end` is how it ends from there on. */
function* within(empty: () => string, end: string, members: Iterable<string>): Generator<string> {
  yield empty().slice(0, -end.length)
  let separator = ''
  for (const member of members) {
    yield member === '' ? '' : `${separator}${member}`
    if (member !== '') separator = ','
  }
  yield end
}

function* writtenAs<Item>(write: (item: Item) => string, items: Iterable<Item>): Generator<string> {
  for (const item of items) yield write(item)
}

function* setLines(
  summary: SetSummary,
  listed: readonly Listed[],
  reports: Iterable<ServiceReport>,
): Generator<string> {
  yield `${summary.status}: ${tellCounts(summary.counts)}\n`
  for (const warning of summary.warnings) yield `warning: ${warning}\n`
  const width = listed.reduce((most, { watched }) => Math.max(most, watched.service.name.length), 0)
  for (const report of reports) yield `${serviceLine(report, width)}\n`
}

const longestStatus = 'degraded'.length

function serviceLine(report: ServiceReport, nameWidth = 0): string {
  const faults = report.targets.filter(({ status }) => status !== 'up')
  const shown = faults.length === 0 ? report.targets : faults
  const { status, reason, message, service, targetsUp, targetsTotal } = report
  const expired = reason === null ? [] : [message === null ? reason : `${reason}: ${message}`]
  const sentences = [...expired, ...shown.map(({ target, message }) => `${target}: ${message}`)]
  const line = `${status.padEnd(longestStatus)}  ${service.padEnd(nameWidth)}  ${targetsUp}/${targetsTotal} up`
  return sentences.length === 0 ? line : `${line}  ${sentences.join('; ')}`
}
