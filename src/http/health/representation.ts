import Negotiator from 'negotiator'
import { escapeUnseen, show } from '../../domain/values/quote.ts'
import { checksOf, serviceAsHealthJson, setAsHealthJson } from './health-json.ts'
import { writeHealthJson, writeService, writeSet } from './report-writers.ts'
import type { ServiceReport } from './reports.ts'
import { describeCounts, type Listed, type SetSummary } from './set-reports.ts'

const json = 'application/json'
const healthJson = 'application/health+json'
const text = 'text/plain'

/** The media types that health is answered in, the default first. */
export const mediaTypes = [json, healthJson, text] as const
export type MediaType = (typeof mediaTypes)[number]
/** The media types with the charset that they are sent with, so that `Accept: text/plain;charset=utf-8` matches. */
const offered = mediaTypes.map((type) => `${type};charset=utf-8`)

/** Returns the media type that a caller prefers. Returns the default where it accepts none, because a probe needs the status code more than the body. */
export function preferredType(accept: string | undefined): MediaType {
  if (accept === undefined || accept === '*/*' || accept === json) return json
  const best = new Negotiator({ headers: { accept } }).mediaType(offered)
  return mediaTypes.find((type) => best?.startsWith(type)) ?? json
}

/** Returns a service's report in a media type. `passes` tells whether the HTTP status is a pass. */
export function renderService(report: ServiceReport, type: MediaType, passes: boolean): string {
  if (type === json) return writeService(report)
  if (type === healthJson) return writeHealthJson(serviceAsHealthJson(report, passes))
  return `${serviceLine(report)}\n`
}

/**
 * Yields a set's report in a media type, one chunk for each service. The reports of 100,000 services that are down are too large to hold at once.
 * `reports` yields the reports of `listed`, each made on demand. `passes` tells whether the HTTP status is a pass.
 */
export function renderSet(
  set: {
    summary: SetSummary
    listed: readonly Listed[]
    /** The length of the longest name in `listed`, in UTF-16 code units. */
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

/** Yields a set in the shape of the draft. The list of causes may be as long as the checks, so it is written in chunks too. */
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

/** Yields the causes why a set is not a pass, and an empty text for each service that is up. Drained services are listed too. */
function* causesOf({ missing }: SetSummary, listed: readonly Listed[]): Generator<string> {
  if (missing !== null) yield missing
  for (const { state, status } of listed) yield status === 'up' ? '' : `${state.service.name} is ${status}`
}

/**
 * Yields JSON with members inserted into its last list or object, one chunk for each member. `empty` returns the JSON without members, and `end` is
 * its end after the place of insertion. Empty members are skipped.
 */
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
  yield `${summary.status}: ${describeCounts(summary.counts)}\n`
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
