import { describeLastKnown } from '../../domain/check/last-known-note.ts'
import type { Outcome } from '../../domain/check/outcome.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Ownership } from '../ownership.ts'
import type { ServiceState, TargetState } from '../state/state.ts'

/**
 * Adds to the outcome of a check that the name behind the target cannot be looked up. The prober does the same for a name that it looks up
 * itself. With `resolve: all` the prober dials literal addresses, and Porthole looks the names up apart from the checks.
 */
export function recordFailingLookUp(
  state: TargetState,
  outcome: Outcome,
  { clock, ownership }: { clock: Clock; ownership: Ownership },
): Outcome {
  const { service } = state.serviceState
  // Return early, because this is nearly always so. Read the target only afterwards, because each read creates the object.
  if (service.resolve !== 'all') return outcome
  const { address, name, resolvedFrom } = state.target
  if (address !== null && resolvedFrom === null) return outcome
  const { failingLookUps } = state.serviceState
  // A replica that only checks the service for a caller has not looked the name up. Neither has one that has just taken the service over.
  // Both repeat the state that the last check reported.
  const since =
    failingLookUps !== null && ownership.owns(service.name)
      ? failingLookUps.get(resolvedFrom ?? name)
      : state.health.lastOutcome?.lookupFailedSince
  if (since == null) return outcome
  // Once its addresses were given up, the name itself is the target. Its sentence says already that the look-up failed.
  if (resolvedFrom === null) return { ...outcome, lookupFailedSince: since }
  const held = describeLastKnown(clock.toEpoch(since), clock.toEpoch(outcome.endedAt))
  const note = outcome.note === null ? held : `${outcome.note}; ${held}`
  return { ...outcome, note, lookupFailedSince: since }
}

/**
 * Returns since when look-ups of a name of a service fail, as the checks of its targets report; null if they do not. A replica that takes the
 * service over continues with this instant.
 */
export function failingSinceOf({ targets }: ServiceState, name: string): number | null {
  for (const { target, health } of targets) {
    const since = (target.resolvedFrom ?? target.name) === name ? health.lastOutcome?.lookupFailedSince : null
    if (since != null) return since
  }
  return null
}
