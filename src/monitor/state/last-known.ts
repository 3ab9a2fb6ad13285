import type { Status } from '../../domain/health/status.ts'
import type { Transition } from '../../domain/health/transition.ts'

/** The last status of services and targets in the previous process, until this process has found its own. */
export type LastKnown = {
  /** Returns the last status of a service itself; undefined if it was not known, or if this process has its own by now. */
  statusOf(service: string): Status | undefined
  services(): string[]
  /** Applies a transition of the previous process. Transitions must come in their order. */
  note(transition: Transition): void
  /**
   * Returns a transition of this process with the last known status of its service or target as its start. The process itself starts from
   * unknown, because it knew nothing of the past. Returns null if the status equals the last known one, because then nothing changed.
   */
  link<Change extends Transition>(transition: Change): Change | null
}

export function createLastKnown(): LastKnown {
  /** The last status by service, then by target. The key null stands for the service itself. */
  const statuses = new Map<string, Map<string | null, Status>>()

  function forget({ service, target, to }: Transition): void {
    const ofService = statuses.get(service)
    ofService?.delete(target)
    // When a service was removed, forget its targets too.
    if (ofService?.size === 0 || (target === null && to === 'unknown')) statuses.delete(service)
  }

  return {
    statusOf: (service) => statuses.get(service)?.get(null),
    services: () => [...statuses.keys()],
    note(transition) {
      const { service, target, to } = transition
      if (to === 'unknown') return forget(transition)
      const ofService = statuses.get(service) ?? new Map<string | null, Status>()
      statuses.set(service, ofService.set(target, to))
    },
    link(transition) {
      const was = statuses.get(transition.service)?.get(transition.target)
      forget(transition)
      if (was === undefined || transition.from !== 'unknown') return transition
      return transition.to === was ? null : { ...transition, from: was }
    },
  }
}
