import { type Counts, noCounts, type Status } from './status.ts'
import { type UptimeEvidence, visitSpans } from './uptime.ts'

/** Returns the status of a service in each of `count` equal time buckets of a window, the oldest first. Buckets begin at whole milliseconds. */
export function bucketStatuses(evidence: UptimeEvidence, count: number): Status[] {
  const windowMs = Math.round(evidence.to - evidence.from)
  const endOf = (slice: number) => Math.round(((slice + 1) * windowMs) / count)
  const statuses: Status[] = []
  let spent = noCounts()
  let atMs = 0
  visitSpans(evidence, (held, ms) => {
    const untilMs = atMs + ms
    for (let end = endOf(statuses.length); statuses.length < count && end <= untilMs; end = endOf(statuses.length)) {
      spent[held] += end - atMs
      statuses.push(statusOver(spent))
      spent = noCounts()
      atMs = end
    }
    spent[held] += untilMs - atMs
    atMs = untilMs
  })
  return statuses
}

/**
 * Returns the worst status in a time bucket, however short it was. Unknown is the exception: it has to last at least as long as up, because every
 * restart brings a moment of unknown.
 */
function statusOver({ up, degraded, down, unknown }: Counts): Status {
  if (down > 0) return 'down'
  if (degraded > 0) return 'degraded'
  return up > unknown ? 'up' : 'unknown'
}
