import type { Transition } from '../../domain/health/transition.ts'
import type { ServiceState, TargetState } from '../../monitor/state/state.ts'

/** The sync state of a service: how the data of this replica relate to the shared data. */
export type ServiceSync = {
  /** The version of the shared data that this replica's data continue from; 0 if there is none. */
  version: number
  /** Whether this replica has unpublished data about the service itself. */
  isDirty: boolean
  /** The transitions that this replica found and has not published. */
  unpublished: Transition[]
  /** The targets that the service no longer has. */
  gone: Set<string>
  /** Whether this replica must adopt the shared data even where its own are newer, because the store rejected its own. */
  mustAdopt: boolean
}

/** The sync state of a target. */
export type TargetSync = {
  version: number
  isDirty: boolean
  /** Whether the unpublished outcome is that of a check on demand, which needs no lease. */
  isOnDemand: boolean
}

/** The sync states of all services and targets, for as long as Porthole checks these. */
export type SyncStates = {
  of(service: ServiceState): ServiceSync
  ofTarget(target: TargetState): TargetSync
  /** Raises the version of these fields of a service to at least this one. A field is a target's name, or empty for the service itself. */
  advance(service: ServiceState, fields: Iterable<string>, version: number): void
  /** Returns the known version of each field. */
  versionsOf(service: ServiceState): Map<string, number>
}

export function createSyncStates(): SyncStates {
  const services = new WeakMap<ServiceState, ServiceSync>()
  const targets = new WeakMap<TargetState, TargetSync>()

  function of(service: ServiceState): ServiceSync {
    const known = services.get(service)
    if (known !== undefined) return known
    const sync: ServiceSync = {
      version: 0,
      isDirty: false,
      unpublished: [],
      gone: new Set(),
      mustAdopt: false,
    }
    services.set(service, sync)
    return sync
  }

  function ofTarget(target: TargetState): TargetSync {
    const known = targets.get(target)
    if (known !== undefined) return known
    const sync: TargetSync = { version: 0, isDirty: false, isOnDemand: false }
    targets.set(target, sync)
    return sync
  }

  return {
    of,
    ofTarget,
    advance(service, fields, version) {
      const advanced = new Set(fields)
      const sync = of(service)
      if (advanced.has('')) sync.version = Math.max(sync.version, version)
      for (const state of service.targets) {
        const target = ofTarget(state)
        if (advanced.has(state.target.name)) target.version = Math.max(target.version, version)
      }
    },
    versionsOf(service) {
      const versions = service.targets.map((state): [string, number] => [state.target.name, ofTarget(state).version])
      return new Map([['', of(service).version], ...versions])
    },
  }
}
