import { addStatusChange, type UptimeEvidence } from '../../domain/health/uptime.ts'
import { currentStatusOf, isServiceExcused, type ServiceState } from '../state/state.ts'
import type { TransitionLog } from './transition-log.ts'

/** Returns the evidence for the uptime of a service, in any window up to `now`. */
export function uptimeEvidence(
  state: ServiceState,
  log: TransitionLog,
  now: number,
): Omit<UptimeEvidence, 'from' | 'to'> {
  const service = state.service.name
  const current = currentStatusOf(state, now)
  const { since } = current
  // A pause of this process is stored as a gap. The status from before the pause holds until a check changes it.
  const status = isServiceExcused(state, now) ? state.emittedStatus : current.status
  const changes = log.changesOf(service)
  // A status that went stale is emitted only at the next look at the service, so add that change here.
  if (status !== state.emittedStatus && since !== null)
    addStatusChange(changes, { at: since, from: state.emittedStatus, to: status })
  // The log may have forgotten the transition to the status that the service had before Porthole was started.
  const was = log.lastKnown(service)
  if (changes.at.length === 0 && was !== undefined)
    addStatusChange(changes, { at: Number.NEGATIVE_INFINITY, from: was, to: was })
  return { changes, gaps: log.gaps(), status, completeSince: log.completeSince() }
}
