import type { Status } from '../domain/status.ts'
import type { UptimeEvidence } from '../domain/uptime.ts'
import type { TransitionLog } from './transition-log.ts'
import { isServiceExcused, standingOf, type WatchedService } from './watch.ts'

/** What there is to judge a service by, in any window up to now. */
export function uptimeEvidence(
  watched: WatchedService,
  log: TransitionLog,
  now: number,
): Omit<UptimeEvidence, 'from' | 'to'> {
  const service = watched.service.name
  const standing = standingOf(watched, now)
  const { since } = standing
  // After a pause of this process, that is kept as an absence, the status from before it holds until a check says otherwise.
  const status = isServiceExcused(watched, now) ? watched.announced : standing.status
  const changes: { at: number; from: Status; to: Status }[] = log
    .find({ service })
    .filter(({ target }) => target === null)
    .reverse()
  // A status that grew too old to be believed is only announced when the service is looked at next.
  if (status !== watched.announced && since !== null) changes.push({ at: since, from: watched.announced, to: status })
  // The log may have forgotten how it came to be what it was before Porthole was started.
  const was = log.lastKnown(service)
  if (changes.length === 0 && was !== undefined) changes.push({ at: Number.NEGATIVE_INFINITY, from: was, to: was })
  return { changes, absences: log.absences(), status, completeSince: log.completeSince() }
}
