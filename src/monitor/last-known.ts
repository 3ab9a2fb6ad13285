import type { Status } from '../domain/status.ts'
import type { Transition } from '../domain/transition.ts'

/** What services and their targets last were to an earlier process, until this one has found out what they are. */
export type LastKnown = {
  /** What a service itself was; undefined when that was not known, or this process knows by now. */
  statusOf(service: string): Status | undefined
  services(): string[]
  /** Takes in a transition of the earlier process, after those before it. */
  note(transition: Transition): void
  /**
   * Makes a transition of this process go on from what its service or target last was: the first is from unknown, as it knew
   * nothing of that. Null: it still is what it was, so nothing changed.
   */
  link<Change extends Transition>(transition: Change): Change | null
}

export function createLastKnown(): LastKnown {
  /** By service, and by target; null: the service itself. */
  const statuses = new Map<string, Map<string | null, Status>>()

  function forget({ service, target, to }: Transition): void {
    const ofService = statuses.get(service)
    ofService?.delete(target)
    // Nothing is known of the targets of a service that was taken away, either.
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
