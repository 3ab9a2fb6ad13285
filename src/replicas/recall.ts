import type { Clock } from '../clock.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { TargetMemory, WatchedService, WatchedTarget } from '../monitor/watch.ts'
import type { Assignment } from './assignment.ts'
import type { Links } from './links.ts'
import { readService, readTarget } from './memory.ts'
import { firstPortion } from './portions.ts'

/** What is kept of one service, by field: a target's name, or empty for the service itself. */
export type KeptHealth = ReadonlyMap<string, { readonly version: number; readonly memory: unknown }>

/** Reads what the store keeps of services: of those that are new here, and of those that this replica had wrong. */
export type Recall = {
  /** Nothing is known yet of what others remember of a service. */
  want(service: WatchedService): void
  /** What this replica remembers of it gives way to what others do. */
  giveWay(service: WatchedService): void
  /** Reads all services anew. False when it could not. */
  readAll(): Promise<boolean>
  /** Reads those that are wanted. False when it could not. */
  readWanted(): Promise<boolean>
  forget(service: WatchedService): void
}

export type RecallParts = {
  readonly monitor: Monitor
  readonly clock: Clock
  readonly assignment: Assignment
  readonly links: Links
  /** Null when there is no answer. */
  readonly read: (services: readonly string[]) => Promise<readonly KeptHealth[] | null>
  /** What others remember of these is known from now on. */
  readonly onRead: (services: readonly WatchedService[]) => void
}

export function createRecall({ monitor, clock, assignment, links, read, onRead }: RecallParts): Recall {
  const wanted = new Set<WatchedService>()
  let reading: Promise<boolean> | null = null

  const isWatched = (service: WatchedService) => monitor.services.get(service.service.name) === service

  async function readPortions(): Promise<boolean> {
    while (wanted.size > 0) {
      const chosen = firstPortion(wanted)
      for (const service of chosen) wanted.delete(service)
      const kept = await read(chosen.map(({ service }) => service.name))
      if (kept === null) {
        for (const service of chosen) if (isWatched(service)) wanted.add(service)
        return false
      }
      const watched = chosen.filter(isWatched)
      for (const [index, service] of chosen.entries()) {
        if (!watched.includes(service)) continue
        adopt(service, kept[index] ?? new Map())
        assignment.setRead(service.service.name, true)
      }
      onRead(watched)
    }
    return true
  }

  function readWanted(): Promise<boolean> {
    reading ??= readPortions().finally(() => {
      reading = null
    })
    return reading
  }

  function unread(service: WatchedService): void {
    assignment.setRead(service.service.name, false)
    wanted.add(service)
  }

  /** Takes in what is kept of a service, but for what this replica found out since. */
  function adopt(service: WatchedService, kept: KeptHealth): void {
    const link = links.of(service)
    const { mustAdopt } = link
    const own = kept.get('')
    const version = own?.version ?? 0
    /** What came by the stream since it was read is newer. */
    const isOutdated = (version: number, known: number) => !mustAdopt && version > 0 && version < known
    const hasMoved = (version: number, known: number) => version !== known && !isOutdated(version, known)
    // Somebody else has told of it or of its targets since, or the store lost what it knew.
    const known = links.versionsOf(service)
    const isOvertaken =
      hasMoved(version, link.version) ||
      [...kept].some(([field, { version }]) => known.has(field) && hasMoved(version, known.get(field) ?? 0))
    if (isOvertaken) link.found = []
    const memory = own !== undefined && (isOvertaken || mustAdopt) ? readService(own.memory, clock) : null
    if (memory !== null) link.isAhead = false
    else if (own === undefined) link.isAhead = service.announced !== 'unknown'
    if (!isOutdated(version, link.version)) link.version = version
    link.mustAdopt = false

    const before = new Map(service.targets.map((watched) => [watched.target.name, watched]))
    const adopted = new Map<string, TargetMemory>()
    for (const [name, { version, memory }] of kept) {
      const known = before.get(name)
      if (name === '' || (known !== undefined && isOutdated(version, links.ofTarget(known).version))) continue
      const found = readTarget(memory, clock)
      if (found !== null && (mustAdopt || !isNewer(known, found))) adopted.set(name, found)
    }
    monitor.adopt(service, memory, adopted)
    for (const watched of service.targets) {
      const target = links.ofTarget(watched)
      const version = kept.get(watched.target.name)?.version ?? 0
      if (isOutdated(version, target.version)) continue
      target.version = version
      target.isAhead = !adopted.has(watched.target.name) && watched.health.lastOutcome !== null
      target.isAsked = target.isAhead && service.service.policy.intervalMs === null
    }
  }

  return {
    want: (service) => void wanted.add(service),
    giveWay(service) {
      const link = links.of(service)
      link.mustAdopt = true
      link.found = []
      unread(service)
      void readWanted()
    },
    async readAll() {
      for (const service of monitor.services.values()) unread(service)
      // One that is under way may have begun before.
      await reading
      return readWanted()
    },
    readWanted,
    forget: (service) => void wanted.delete(service),
  }
}

/** Whether this replica checked a target after what is remembered elsewhere. */
function isNewer(watched: WatchedTarget | undefined, { health }: TargetMemory): boolean {
  const own = watched?.health.lastOutcome?.endedAt ?? Number.NEGATIVE_INFINITY
  return own > (health.lastOutcome?.endedAt ?? Number.NEGATIVE_INFINITY)
}
