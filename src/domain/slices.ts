import { type Counts, noCounts, type Status } from './status.ts'
import { spansOf, type UptimeEvidence } from './uptime.ts'

/** What a service was in each of so many equal slices of a window, the oldest first. Slices begin at whole milliseconds. */
export function sliceStatuses(evidence: UptimeEvidence, count: number): Status[] {
  const windowMs = Math.round(evidence.to - evidence.from)
  const endOf = (slice: number) => Math.round(((slice + 1) * windowMs) / count)
  const statuses: Status[] = []
  let spent = noCounts()
  let atMs = 0
  for (const { held, ms } of spansOf(evidence)) {
    const untilMs = atMs + ms
    for (let end = endOf(statuses.length); statuses.length < count && end <= untilMs; end = endOf(statuses.length)) {
      spent[held] += end - atMs
      statuses.push(statusOver(spent))
      spent = noCounts()
      atMs = end
    }
    spent[held] += untilMs - atMs
    atMs = untilMs
  }
  return statuses
}

/** The worst that it was, however shortly; but with every restart comes a moment of unknown, so that is to hold as long as up. */
function statusOver({ up, degraded, down, unknown }: Counts): Status {
  if (down > 0) return 'down'
  if (degraded > 0) return 'degraded'
  return up > unknown ? 'up' : 'unknown'
}
