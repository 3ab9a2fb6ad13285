import fastJson from 'fast-json-stringify'
import Negotiator from 'negotiator'
import { z } from 'zod'
import { escapeUnseen, show } from '../domain/quote.ts'
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
  set: {
    summary: SetSummary
    listed: readonly Listed[]
    /** How long the longest name of them is. */
    longestName: number
    reports: Iterable<ServiceReport>
  },
  type: MediaType,
  passes: boolean,
): Generator<string> {
  const { summary, listed, longestName, reports } = set
  if (type === json) return within(() => writeSet({ ...summary, services: [] }), ']}', writtenAs(writeService, reports))
  if (type === text) return setLines(summary, longestName, reports)
  return setHealthJson(summary, listed, reports, passes)
}

/** What is at fault in a set may be as much as its checks, so it is written in pieces too. */
function* setHealthJson(
  summary: SetSummary,
  listed: readonly Listed[],
  reports: Iterable<ServiceReport>,
  passes: boolean,
): Generator<string> {
  const about = setAsHealthJson(summary, passes)
  yield JSON.stringify(about).slice(0, -1)
  if (about.status !== 'pass') {
    let before = ',"output":"'
    for (const cause of causesOf(summary, listed)) {
      yield cause === '' ? '' : `${before}${JSON.stringify(cause).slice(1, -1)}`
      if (cause !== '') before = '; '
    }
    if (before === '; ') yield '"'
  }
  const checks = writtenAs((report) => JSON.stringify(checksOf([report])).slice(1, -1), reports)
  yield* within(() => ',"checks":{}}', '}}', checks)
}

/** Why a set is not a pass, with an empty text for each service that is no cause. What is drained is told beside what is at fault. */
function* causesOf({ missing }: SetSummary, listed: readonly Listed[]): Generator<string> {
  if (missing !== null) yield missing
  for (const { watched, status } of listed) yield status === 'up' ? '' : `${watched.service.name} is ${status}`
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

function* setLines(summary: SetSummary, longestName: number, reports: Iterable<ServiceReport>): Generator<string> {
  yield `${summary.status}: ${tellCounts(summary.counts)}\n`
  for (const warning of summary.warnings) yield `warning: ${escapeUnseen(warning)}\n`
  for (const report of reports) yield `${serviceLine(report, longestName)}\n`
}

const longestStatus = 'degraded'.length

function serviceLine(report: ServiceReport, nameWidth = 0): string {
  const faults = report.targets.filter(({ status }) => status !== 'up')
  const shown = faults.length === 0 ? report.targets : faults
  const { status, reason, message, service, targetsUp, targetsTotal } = report
  const expired = reason === null ? [] : [message === null ? reason : `${reason}: ${message}`]
  const sentences = [...expired, ...shown.map(({ target, message }) => escapeUnseen(`${target}: ${message}`))]
  const line = `${status.padEnd(longestStatus)}  ${show(service).padEnd(nameWidth)}  ${targetsUp}/${targetsTotal} up`
  return sentences.length === 0 ? line : `${line}  ${sentences.join('; ')}`
}
