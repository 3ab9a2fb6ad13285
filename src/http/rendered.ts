import type { Clock } from '../clock.ts'
import { advisesSameUntil } from '../domain/advice.ts'
import { targetReadsSameUntil, type WatchedService } from '../monitor/watch.ts'
import { longFrom } from './answer-caps.ts'
import { reportService, type ServiceReport } from './reports.ts'
import { renderService } from './representation.ts'

/** A service's report with its JSON; `checkedAt` is when the target checked longest ago was checked. */
export type Rendered = {
  readonly report: ServiceReport
  /** As text, which Node.js sends together with the headers; as bytes where it is long, so that all its readers share them. */
  readonly json: string | Buffer
  /** The length of `json` in bytes. */
  readonly bytes: number
  readonly checkedAt: number | null
  readonly details: boolean
}

/** The report of a service as it reads now, with details or without. */
export type RenderService = (watched: WatchedService, details: boolean) => Rendered

type Kept = Rendered & { readonly revision: number; readonly until: number }

/** What is rendered is kept no longer than this, in milliseconds: of a hundred thousand services it would be 300 MB. */
const keptMs = 10_000

/**
 * Renders the report of a service once for as long as it reads the same: load balancers ask far more often than checks are made. The
 * first of those who ask within some seconds may be the last, as where somebody asks for all services in turn: for them nothing is kept.
 */
export function createServiceRenderer(clock: Clock): RenderService {
  let withDetails = new WeakMap<WatchedService, Kept>()
  let withoutDetails = new WeakMap<WatchedService, Kept>()
  let asked = new WeakSet<WatchedService>()
  let since = clock.now()
  return (watched, details) => {
    const now = clock.now()
    if (now - since >= keptMs) {
      withDetails = new WeakMap()
      withoutDetails = new WeakMap()
      asked = new WeakSet()
      since = now
    }
    const kept = details ? withDetails : withoutDetails
    const last = kept.get(watched)
    if (last !== undefined && last.revision === watched.revision && now < last.until) return last
    const report = reportService(watched, clock, { now, details })
    // Put together piece by piece, a string is kept as its pieces, and sending it would walk them every time.
    const utf8 = Buffer.from(renderService(report, 'application/json', true))
    const fresh = {
      report,
      json: utf8.length < longFrom ? utf8.toString() : utf8,
      bytes: utf8.length,
      checkedAt: watched.checkedAt,
      details,
      revision: watched.revision,
      until: Math.min(
        ...watched.targets.map((target) => Math.min(targetReadsSameUntil(target, now), advisesSameUntil(target, now))),
      ),
    }
    if (asked.has(watched)) kept.set(watched, fresh)
    else asked.add(watched)
    return fresh
  }
}
