import { isDeepStrictEqual } from 'node:util'
import { measurePortions } from '../domain/portions.ts'
import type { Quorum } from '../domain/quorum.ts'
import type { Group, Service } from '../domain/service.ts'
import { nothingToLoad, type RegistryLoad } from './registry-load.ts'
import { createSignal, type Signal } from './signal.ts'

/** What changed: services that are new or different, or drained or no longer; the names of those that are gone, and why they are. */
export type RegistryChange = {
  readonly put: readonly Service[]
  readonly removed: readonly string[]
  /** One sentence for people. */
  readonly cause: string
}

/** How many services of the file are new or different, and how many it has no longer. */
export type Replaced = { readonly changed: number; readonly removed: number }

/**
 * How much changes in one step of a replacement, with the targets of before and those of after, and how many services are looked at:
 * with all that follow, some 5 ms of work.
 */
const mostChanged = { services: 100, targets: 1000 }
const mostLookedAt = 1000

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
  /** What was in force, before the change that was told last, under the names that it changed. */
  readonly former: ReadonlyMap<string, Service>
  readonly changed: Signal<RegistryChange>
  /** Whether it was read: until then services may be missing. */
  readonly load: RegistryLoad
  /**
   * Puts these services in the place of all that the file had, some at each step and some more whenever it is asked to go on. `groups`
   * are those with a quorum of their own. What is registered between two steps stays; another replacement may begin before this one
   * is through, which is then not to go on. A step has so many services or so many targets, or one service that has more.
   */
  replace(services: readonly Service[], groups: readonly Group[]): Generator<void, Replaced>
  /** The same without a pause, for who holds nobody up. */
  replaceAll(services: readonly Service[], groups: readonly Group[]): Replaced
  /** Puts these services, registered over HTTP, in the place of those of the same names. */
  register(services: readonly Service[]): void
  deregister(name: string, cause: string): void
  setDrained(names: readonly string[], drained: boolean): void
}

/** Creates an empty registry; without `load` it is complete with what it is given, as one of a configuration file alone. */
export function createRegistry(load: RegistryLoad = nothingToLoad): Registry {
  const services = new Map<string, Service>()
  /** What is registered over HTTP, also while the file hides it. */
  const registered = new Map<string, Service>()
  const groups = new Map<string, Group>()
  const members = new Map<string, number>()
  let quorums: ReadonlyMap<string, Quorum> = new Map()
  const drained = new Set<string>()
  const former = new Map<string, Service>()
  const changed = createSignal<RegistryChange>()

  const isOfFile = (name: string) => services.get(name)?.origin === 'file'

  /** Puts what is to be in force under a name there, or nothing, and notes it where that is a change. */
  function set(name: string, after: Service | undefined, { put, removed, replaced }: Changes): void {
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

  /** How many targets it concerns that this is in force under a name; 0 where it is already. */
  function countTargets(name: string, after: Service | undefined): number {
    const before = services.get(name)
    if (before === after) return 0
    return (before?.targets.length ?? 0) + (after?.targets.length ?? 0)
  }

  function tell(changes: Changes, cause: string): void {
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
    const cause = 'deregistered: the configuration has it no longer'
    const replaced = { changed: 0, removed: 0 }
    const fits = measurePortions(mostChanged)
    let changes = noChanges()
    let lookedAt = 0

    function endStep(): void {
      replaced.changed += changes.put.length
      replaced.removed += changes.removed.length
      tell(changes, cause)
      changes = noChanges()
    }

    /** Whether the next service, a change of which concerns so many targets, is too much for this step, which is then told of. */
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
    // First, or a file that calls all otherwise would have twice as many watched for a while.
    for (const { name } of services.values()) {
      if (isFull(isDropped(name) ? countTargets(name, registered.get(name)) : 0)) yield
      if (isDropped(name)) set(name, registered.get(name), changes)
    }
    for (const service of next) {
      if (isFull(countTargets(service.name, service))) yield
      set(service.name, service, changes)
    }
    // Also of nothing: groups may have other quorums.
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
      for (const service of all) if (!isOfFile(service.name)) set(service.name, service, changes)
      tell(changes, 'registered')
    },
    deregister(name, cause) {
      registered.delete(name)
      const changes = noChanges()
      if (!isOfFile(name)) set(name, undefined, changes)
      tell(changes, cause)
    },
    setDrained(names, isDrained) {
      const turned = names.filter((name) => drained.has(name) !== isDrained)
      for (const name of turned) {
        if (isDrained) drained.add(name)
        else drained.delete(name)
      }
      const put = turned.flatMap((name) => services.get(name) ?? [])
      if (put.length > 0) tell({ ...noChanges(), put }, isDrained ? 'drained' : 'drained no longer')
    },
  }
}

type Changes = {
  readonly put: Service[]
  readonly removed: string[]
  /** What was in force under the names of both. */
  readonly replaced: Service[]
}

function noChanges(): Changes {
  return { put: [], removed: [], replaced: [] }
}
