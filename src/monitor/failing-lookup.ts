import type { Clock } from '../clock.ts'
import { tellHeld } from '../domain/held-note.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Responsibility } from './responsibility.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/**
 * Says in the outcome of a check that the name cannot be looked up from which the target comes, as the prober does for a name that it looks up
 * itself. With `resolve: all` the prober dials literal addresses, and the look-ups are made beside the checks.
 */
export function noteFailingLookUp(
  watched: WatchedTarget,
  outcome: Outcome,
  { clock, responsibility }: { clock: Clock; responsibility: Responsibility },
): Outcome {
  const { service } = watched.watchedService
  // Nearly always. The target is read only after that, because it is made when it is read.
  if (service.resolve !== 'all') return outcome
  const { address, name, resolvedFrom } = watched.target
  if (address !== null && resolvedFrom === null) return outcome
  const { failingLookUps } = watched.watchedService
  // A replica that is only asked for a check does not look the name up, and one that takes the service over has not yet: both know
  // what the last check told.
  const since =
    failingLookUps !== null && responsibility.covers(service.name)
      ? failingLookUps.get(resolvedFrom ?? name)
      : watched.health.lastOutcome?.lookupFailedSince
  if (since == null) return outcome
  // The name itself is the target once its addresses were given up: its sentence says already that it could not be looked up.
  if (resolvedFrom === null) return { ...outcome, lookupFailedSince: since }
  const held = tellHeld(clock.toEpoch(since), clock.toEpoch(outcome.endedAt))
  const note = outcome.note === null ? held : `${outcome.note}; ${held}`
  return { ...outcome, note, lookupFailedSince: since }
}

/**
 * Returns since when look-ups of a name of a service fail, as the checks of its targets tell: null where they do not. So a replica that takes the
 * service over goes on with the time that is known.
 */
export function failingSinceOf({ targets }: WatchedService, name: string): number | null {
  for (const { target, health } of targets) {
    const since = (target.resolvedFrom ?? target.name) === name ? health.lastOutcome?.lookupFailedSince : null
    if (since != null) return since
  }
  return null
}
