import { adviceValidUntil } from '../../domain/check/advice.ts'
import { type ServiceState, targetStatusValidUntil } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import { longFrom } from '../answers/answer-caps.ts'
import { reportService, type ServiceReport } from './reports.ts'
import { renderService } from './representation.ts'

/** A service's report with its JSON. `checkedAt` is when the target with the oldest check was checked. */
export type CachedReport = {
  readonly report: ServiceReport
  /** A text, which Node.js sends together with the headers. A long report is bytes instead, so that all clients share them. */
  readonly json: string | Buffer
  /** The length of `json` in bytes. */
  readonly bytes: number
  readonly checkedAt: number | null
  readonly details: boolean
}

/** Returns the present report of a service, with details or without. */
export type RenderService = (state: ServiceState, details: boolean) => CachedReport

type Kept = CachedReport & { readonly revision: number; readonly until: number }

/** How long reports are cached, in milliseconds. The reports of 100,000 services would take 300 MB. */
const keptMs = 10_000

/**
 * Creates the report cache. Load balancers ask far more often than Porthole checks, so a report is rendered once until it changes. The
 * first request within 10 s caches nothing, because a client that asks for all services in turn asks for each only once.
 */
export function createReportCache(clock: Clock): RenderService {
  let withDetails = new WeakMap<ServiceState, Kept>()
  let withoutDetails = new WeakMap<ServiceState, Kept>()
  let asked = new WeakSet<ServiceState>()
  let since = clock.now()
  return (state, details) => {
    const now = clock.now()
    if (now - since >= keptMs) {
      withDetails = new WeakMap()
      withoutDetails = new WeakMap()
      asked = new WeakSet()
      since = now
    }
    const kept = details ? withDetails : withoutDetails
    const last = kept.get(state)
    if (last !== undefined && last.revision === state.revision && now < last.until) return last
    const report = reportService(state, clock, { now, details })
    // V8 stores a concatenated string as its parts, and sending it would walk the parts every time.
    const utf8 = Buffer.from(renderService(report, 'application/json', true))
    const fresh = {
      report,
      json: utf8.length < longFrom ? utf8.toString() : utf8,
      bytes: utf8.length,
      checkedAt: state.checkedAt,
      details,
      revision: state.revision,
      until: Math.min(
        ...state.targets.map((target) => Math.min(targetStatusValidUntil(target, now), adviceValidUntil(target, now))),
      ),
    }
    if (asked.has(state)) kept.set(state, fresh)
    else asked.add(state)
    return fresh
  }
}
