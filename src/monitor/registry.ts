import { isDeepStrictEqual } from 'node:util'
import type { Group, Service } from '../domain/service.ts'
import { createSignal, type Signal } from './signal.ts'

/** What changed: services that are new or different, and the names of those that are gone. */
export type RegistryChange = { readonly put: readonly Service[]; readonly removed: readonly string[] }

/** Which services there are. */
export type Registry = {
  readonly services: ReadonlyMap<string, Service>
  readonly groups: ReadonlyMap<string, Group>
  readonly changed: Signal<RegistryChange>
  /** Puts these services and groups in the place of all others, in one step. */
  replaceAll(services: readonly Service[], groups: readonly Group[]): RegistryChange
}

export function createRegistry(): Registry {
  const services = new Map<string, Service>()
  const groups = new Map<string, Group>()
  const changed = createSignal<RegistryChange>()

  return {
    services,
    groups,
    changed,
    replaceAll(nextServices, nextGroups) {
      const kept = new Set(nextServices.map((service) => service.name))
      const removed = [...services.keys()].filter((name) => !kept.has(name))
      const put = nextServices.filter((service) => !isDeepStrictEqual(services.get(service.name), service))
      services.clear()
      for (const service of nextServices) services.set(service.name, service)
      groups.clear()
      for (const group of nextGroups) groups.set(group.name, group)
      changed.emit({ put, removed })
      return { put, removed }
    },
  }
}
