import { isDeepStrictEqual } from 'node:util'
import type { Quorum } from '../domain/quorum.ts'
import type { Group, Service } from '../domain/service.ts'
import { createSignal, type Signal } from './signal.ts'

/** What changed: services that are new or different, or drained or no longer; the names of those that are gone, and why they are. */
export type RegistryChange = {
  readonly put: readonly Service[]
  readonly removed: readonly string[]
  /** One sentence for people. */
  readonly cause: string
}

/**
 * Which services there are: those of the file, and those registered over HTTP. One of the file hides a registered one
 * of the same name, for as long as the file has it.
 */
export type Registry = {
  readonly services: ReadonlyMap<string, Service>
  /** Every group that a service is in. */
  readonly groups: ReadonlyMap<string, Group>
  /** The names of services that are drained. They need not be registered. */
  readonly drained: ReadonlySet<string>
  readonly changed: Signal<RegistryChange>
  /** Puts these services in the place of all that the file had, in one step. `groups` are those with a quorum of their own. */
  replaceAll(services: readonly Service[], groups: readonly Group[]): RegistryChange
  /** Puts these services, registered over HTTP, in the place of those of the same names. */
  register(services: readonly Service[]): void
  deregister(name: string, cause: string): void
  setDrained(names: readonly string[], drained: boolean): void
}

export function createRegistry(): Registry {
  const services = new Map<string, Service>()
  let written: ReadonlyMap<string, Service> = new Map()
  const registered = new Map<string, Service>()
  const groups = new Map<string, Group>()
  const members = new Map<string, number>()
  let quorums: ReadonlyMap<string, Quorum> = new Map()
  const drained = new Set<string>()
  const changed = createSignal<RegistryChange>()

  /** Brings what is in force for these names up to date, and tells. */
  function update(names: Iterable<string>, cause: string): RegistryChange {
    const put: Service[] = []
    const removed: string[] = []
    for (const name of names) {
      const before = services.get(name)
      const after = written.get(name) ?? registered.get(name)
      if (isDeepStrictEqual(before, after)) continue
      for (const group of before?.groups ?? []) leave(group)
      for (const group of after?.groups ?? []) join(group)
      if (after === undefined) {
        services.delete(name)
        removed.push(name)
      } else {
        services.set(name, after)
        put.push(after)
      }
    }
    const change = { put, removed, cause }
    changed.emit(change)
    return change
  }

  function join(group: string): void {
    members.set(group, (members.get(group) ?? 0) + 1)
    groups.set(group, { name: group, quorum: quorums.get(group) ?? 'all' })
  }

  function leave(group: string): void {
    const left = (members.get(group) ?? 0) - 1
    members.set(group, left)
    if (left > 0) return
    members.delete(group)
    groups.delete(group)
  }

  return {
    services,
    groups,
    drained,
    changed,
    replaceAll(nextServices, nextGroups) {
      const next = new Map(nextServices.map((service) => [service.name, service]))
      const names = new Set([...written.keys(), ...next.keys()])
      written = next
      quorums = new Map(nextGroups.map(({ name, quorum }) => [name, quorum]))
      for (const name of groups.keys()) groups.set(name, { name, quorum: quorums.get(name) ?? 'all' })
      return update(names, 'deregistered: the configuration has it no longer')
    },
    register(services) {
      for (const service of services) registered.set(service.name, service)
      update(
        services.map(({ name }) => name),
        'registered',
      )
    },
    deregister(name, cause) {
      registered.delete(name)
      update([name], cause)
    },
    setDrained(names, isDrained) {
      const turned = names.filter((name) => drained.has(name) !== isDrained)
      for (const name of turned) {
        if (isDrained) drained.add(name)
        else drained.delete(name)
      }
      const put = turned.flatMap((name) => services.get(name) ?? [])
      if (put.length > 0) changed.emit({ put, removed: [], cause: isDrained ? 'drained' : 'drained no longer' })
    },
  }
}
