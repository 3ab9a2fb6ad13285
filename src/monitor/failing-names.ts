import type { Outcome } from '../domain/outcome.ts'
import type { LookUpChange } from './members.ts'
import type { Monitor } from './monitor.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedTarget } from './watch.ts'

/** The error's name of a look-up that found no thread: Porthole did not ask, so the resolver is not to blame. */
const notAsked = 'EQUEUED'

/**
 * Emits when the name of a target with `resolve: first` can be looked up no longer, as a check of this process found, and when it can again. The
 * names of services with `resolve: all` are looked up apart from checks: see members.ts.
 */
export function watchFailingNames(monitor: Pick<Monitor, 'checked' | 'adopted' | 'watching'>): Signal<LookUpChange> {
  const changed = createSignal<LookUpChange>()
  const failing = new Set<WatchedTarget>()

  /** Every check comes here. One of a literal address has nothing to do with look-ups. */
  function take(watched: WatchedTarget, outcome: Outcome): void {
    const failure = failureOf(outcome)
    if ((failure !== null) === failing.has(watched) || watched.watchedService.service.resolve === 'all') return
    if (failure === null) failing.delete(watched)
    else failing.add(watched)
    changed.emit({ service: watched.watchedService.service.name, target: watched.target.name, failure })
  }

  monitor.checked.subscribe(({ watched, outcome }) => take(watched, outcome))
  // Another replica checks it now, and tells.
  monitor.adopted.subscribe(({ watched }) => void failing.delete(watched))
  monitor.watching.subscribe((targets) => {
    if (failing.size === 0) return
    for (const watched of targets) if (watched.retired) failing.delete(watched)
  })
  return changed
}

/** Why the name could not be looked up that a check was for; null when it could, or there is none. */
function failureOf({ reason, address, code, lookupFailedSince }: Outcome): string | null {
  if (address === null && reason === 'local') return code === notAsked ? null : (code ?? 'timeout')
  return lookupFailedSince === null ? null : 'no answer'
}
