import type { Outcome } from '../domain/outcome.ts'
import type { LookUpChange } from './members.ts'
import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedTarget } from './watch.ts'

/** The error code of a look-up that found no free thread. Porthole did not ask, so the resolver is not at fault. */
const notAsked = 'EQUEUED'

/**
 * Emits when a check of this process finds that the name of a target with `resolve: first` can no longer be looked up. Emits again when the
 * name can be looked up. The address tracking looks up the names of services with `resolve: all`, apart from checks.
 */
export function watchFailingNames(monitor: Pick<Monitor, 'checked' | 'adopted' | 'watching'>): Signal<LookUpChange> {
  const changed = createSignal<LookUpChange>()
  const failing = new Set<WatchedTarget>()

  /** Applies an outcome. Every check calls this. An outcome of a literal address has nothing to do with look-ups. */
  function take(watched: WatchedTarget, outcome: Outcome): void {
    const failure = failureOf(outcome)
    if ((failure !== null) === failing.has(watched) || watched.watchedService.service.resolve === 'all') return
    if (failure === null) failing.delete(watched)
    else failing.add(watched)
    changed.emit({ service: watched.watchedService.service.name, target: watched.target.name, failure })
  }

  monitor.checked.subscribe(({ watched, outcome }) => take(watched, outcome))
  // Another replica checks the target now, and reports its failures.
  monitor.adopted.subscribe(({ watched }) => void failing.delete(watched))
  monitor.watching.subscribe((targets) => {
    if (failing.size === 0) return
    for (const watched of targets) if (watched.retired) failing.delete(watched)
  })
  return changed
}

/** Returns why the name of a checked target could not be looked up; null if it could, or if the target has no name. */
function failureOf({ reason, address, code, lookupFailedSince }: Outcome): string | null {
  if (address === null && reason === 'local') return code === notAsked ? null : (code ?? 'timeout')
  return lookupFailedSince === null ? null : 'no answer'
}
