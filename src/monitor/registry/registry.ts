import { isDeepStrictEqual } from 'node:util'
import { measureBatches } from '../../domain/service/batches.ts'
import type { Quorum } from '../../domain/service/quorum.ts'
import type { Group, Service } from '../../domain/service/service.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import { nothingToLoad, type RegistryLoad } from './registry-load.ts'

/** A change of the registry: services that are new, changed, drained or no longer drained, and the names of those that are gone. */
export type RegistryChange = {
  readonly put: readonly Service[]
  readonly removed: readonly string[]
  /** One sentence for people that says why. */
  readonly cause: string
}

/** How many services of the file are new or changed, and how many the file no longer has. */
export type Replaced = { readonly changed: number; readonly removed: number }

/**
 * The bounds of one batch of a replacement: services that change, with their old and new targets, and services that are visited. Together
 * with everything that follows from a change, a batch takes about 5 ms.
 */
const mostChanged = { services: 100, targets: 1000 }
const mostLookedAt = 1000

/**
 * The services of the file and those registered over HTTP. A service of the file hides a registered one of the same name, for as long as
 * the file has it.
 */
export type Registry = {
  readonly services: ReadonlyMap<string, Service>
  /** Every group that has a service. */
  readonly groups: ReadonlyMap<string, Group>
  /** The names of drained services, registered or not. */
  readonly drained: ReadonlySet<string>
  /** The former definitions of the services in the last emitted change, by name. */
  readonly former: ReadonlyMap<string, Service>
  readonly changed: Emitter<RegistryChange>
  /** Whether the registry has been read. Until then services may be missing. */
  readonly load: RegistryLoad
  /**
   * Replaces all services of the file in batches. The caller resumes the generator for each batch. `groups` are the groups that set a quorum.
   * Services registered between two batches stay. If another replacement begins before this one ends, the caller must not resume this one. A
   * batch is bounded by services and by targets. A single service with more targets is a batch by itself.
   */
  replace(services: readonly Service[], groups: readonly Group[]): Generator<void, Replaced>
  /** Replaces all services of the file in one call, for callers that may block the event loop. */
  replaceAll(services: readonly Service[], groups: readonly Group[]): Replaced
  /** Registers services over HTTP, and replaces registered ones of the same names. */
  register(services: readonly Service[]): void
  deregister(name: string, cause: string): void
  setDrained(names: readonly string[], drained: boolean): void
}

/** Creates an empty registry. Without `load` it counts as read, like a registry of a configuration file alone. */
export function createRegistry(load: RegistryLoad = nothingToLoad): Registry {
  const services = new Map<string, Service>()
  /** The services registered over HTTP, including those that the file hides. */
  const registered = new Map<string, Service>()
  const groups = new Map<string, Group>()
  const members = new Map<string, number>()
  let quorums: ReadonlyMap<string, Quorum> = new Map()
  const drained = new Set<string>()
  const former = new Map<string, Service>()
  const changed = createEmitter<RegistryChange>()

  const isOfFile = (name: string) => services.get(name)?.origin === 'file'

  /** Applies a definition to a name, or removes the service if there is none. Records the change if there is one. */
  function setService(name: string, after: Service | undefined, { put, removed, replaced }: Changes): void {
    const before = services.get(name)
    if (before === after || isDeepStrictEqual(before, after)) return
    if (before !== undefined) replaced.push(before)
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

  /** Returns how many targets a definition concerns, old and new together; 0 if the name already has that definition. */
  function countTargets(name: string, after: Service | undefined): number {
    const before = services.get(name)
    if (before === after) return 0
    return (before?.targets.length ?? 0) + (after?.targets.length ?? 0)
  }

  function emitChanges(changes: Changes, cause: string): void {
    former.clear()
    for (const service of changes.replaced) former.set(service.name, service)
    changed.emit({ put: changes.put, removed: changes.removed, cause })
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

  function* replace(next: readonly Service[], nextGroups: readonly Group[]): Generator<void, Replaced> {
    const cause = 'deregistered: no longer in the configuration'
    const replaced = { changed: 0, removed: 0 }
    const fits = measureBatches(mostChanged)
    let changes = noChanges()
    let lookedAt = 0

    function endStep(): void {
      replaced.changed += changes.put.length
      replaced.removed += changes.removed.length
      emitChanges(changes, cause)
      changes = noChanges()
    }

    /** Returns whether the next service no longer fits into this batch, and then emits the batch. `targets` is how many targets its change concerns. */
    function isFull(targets = 0): boolean {
      const hasRoom = targets === 0 || fits(targets)
      lookedAt++
      if (hasRoom && lookedAt <= mostLookedAt) return false
      if (changes.put.length + changes.removed.length > 0) endStep()
      lookedAt = 1
      return true
    }

    quorums = new Map(nextGroups.map(({ name, quorum }) => [name, quorum]))
    for (const name of groups.keys()) groups.set(name, { name, quorum: quorums.get(name) ?? 'all' })
    const kept = new Set<string>()
    for (const { name } of next) {
      if (isFull()) yield
      kept.add(name)
    }
    const isDropped = (name: string) => isOfFile(name) && !kept.has(name)
    // Remove services first. Otherwise a file that renames all services would have twice as many in the monitor for a while.
    for (const { name } of services.values()) {
      if (isFull(isDropped(name) ? countTargets(name, registered.get(name)) : 0)) yield
      if (isDropped(name)) setService(name, registered.get(name), changes)
    }
    for (const service of next) {
      if (isFull(countTargets(service.name, service))) yield
      setService(service.name, service, changes)
    }
    // Emit an empty change too, because groups may have other quorums.
    endStep()
    return replaced
  }

  return {
    services,
    groups,
    drained,
    former,
    changed,
    load,
    replace,
    replaceAll(next, nextGroups) {
      const replacing = replace(next, nextGroups)
      for (;;) {
        const { done, value } = replacing.next()
        if (done) return value
      }
    },
    register(all) {
      for (const service of all) registered.set(service.name, service)
      const changes = noChanges()
      for (const service of all) if (!isOfFile(service.name)) setService(service.name, service, changes)
      emitChanges(changes, 'registered')
    },
    deregister(name, cause) {
      registered.delete(name)
      const changes = noChanges()
      if (!isOfFile(name)) setService(name, undefined, changes)
      emitChanges(changes, cause)
    },
    setDrained(names, isDrained) {
      const turned = names.filter((name) => drained.has(name) !== isDrained)
      for (const name of turned) {
        if (isDrained) drained.add(name)
        else drained.delete(name)
      }
      const put = turned.flatMap((name) => services.get(name) ?? [])
      if (put.length > 0) emitChanges({ ...noChanges(), put }, isDrained ? 'drained' : 'no longer drained')
    },
  }
}

type Changes = {
  readonly put: Service[]
  readonly removed: string[]
  /** The former definitions of these services. */
  readonly replaced: Service[]
}

function noChanges(): Changes {
  return { put: [], removed: [], replaced: [] }
}
