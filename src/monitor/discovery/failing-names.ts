import { isOwnFault, type Outcome } from '../../domain/check/outcome.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import type { Monitor } from '../monitor.ts'
import type { TargetState } from '../state/state.ts'
import type { LookUpChange } from './address-tracking.ts'

/** The error code of a look-up that found no free thread. Porthole did not ask, so the resolver is not at fault. */
const notAsked = 'EQUEUED'

/**
 * Emits when a check of this process finds that the name of a target with `resolve: first` can no longer be looked up. Emits again when the
 * name can be looked up. The address tracking looks up the names of services with `resolve: all`, apart from checks.
 */
export function watchFailingNames(
  monitor: Pick<Monitor, 'checked' | 'adopted' | 'targetsChanged'>,
): Emitter<LookUpChange> {
  const changed = createEmitter<LookUpChange>()
  const failing = new Set<TargetState>()

  /** Applies an outcome. Every check calls this. An outcome of a literal address has nothing to do with look-ups. */
  function applyOutcome(state: TargetState, outcome: Outcome): void {
    const failure = failureOf(outcome)
    if ((failure !== null) === failing.has(state) || state.serviceState.service.resolve === 'all') return
    if (failure === null) failing.delete(state)
    else failing.add(state)
    changed.emit({ service: state.serviceState.service.name, target: state.target.name, failure })
  }

  monitor.checked.subscribe(({ state, outcome }) => applyOutcome(state, outcome))
  // Another replica checks the target now, and reports its failures.
  monitor.adopted.subscribe(({ state }) => void failing.delete(state))
  monitor.targetsChanged.subscribe((targets) => {
    if (failing.size === 0) return
    for (const state of targets) if (state.retired) failing.delete(state)
  })
  return changed
}

/** Returns why the name of a checked target could not be looked up; null if it could, or if the target has no name. */
function failureOf({ reason, address, code, lookupFailedSince }: Outcome): string | null {
  if (address === null && isOwnFault(reason)) return code === notAsked ? null : (code ?? 'timeout')
  return lookupFailedSince === null ? null : 'no answer'
}
