import type { Clock } from '../clock.ts'
import type { Transition } from '../domain/transition.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { WatchedService } from '../monitor/watch.ts'
import type { Assignment } from './assignment.ts'
import type { Links } from './links.ts'
import { writeService, writeTarget } from './memory.ts'
import { firstPortion, portion } from './portions.ts'
import type { MemoryRecord, Published, Update, Verdict } from './publication.ts'
import { shardOf } from './shards.ts'

/** How long outcomes are gathered before they are published, in milliseconds. */
const gatherMs = 100

/** How long the last of a service that is gone may wait for whoever tells of it, in milliseconds, and how many of them. */
const farewellMs = 60_000
const mostFarewells = 10_000

/** Publishes what this replica found. */
export type Publisher = {
  /** There is something to publish of a service: soon, or at once. */
  mark(service: WatchedService, isUrgent: boolean): void
  /** A service is gone, and this is the last that is heard of it. */
  bidFarewell(transition: Transition): void
  forget(service: WatchedService): void
  /** Publishes what there is by now. */
  flush(): Promise<void>
  /** How often updates were refused, by why. */
  refused(): Readonly<Record<Exclude<Verdict, 'taken'>, number>>
  close(): void
}

export type PublisherParts = {
  readonly monitor: Monitor
  readonly clock: Clock
  readonly assignment: Assignment
  readonly links: Links
  /** The token of a shard that is held; null when it is not. */
  readonly tokenOf: (shard: number) => number | null
  /** Null when there is no answer; it may have been taken all the same. */
  readonly publish: (updates: readonly Update[]) => Promise<Published | null>
  /** These count, and all know of them. */
  readonly onTaken: (transitions: readonly Transition[]) => void
  /** A lease is not what it was believed to be. */
  readonly onFenced: () => void
  /** What this replica knows of a service does not count. */
  readonly onRefused: (service: WatchedService) => void
}

/** What a replica holds the lease of it publishes with its token, and what it was asked for without. */
export function createPublisher(parts: PublisherParts): Publisher {
  const { monitor, clock, assignment, links, tokenOf, publish, onTaken, onFenced, onRefused } = parts
  const dirty = new Set<WatchedService>()
  /** Whoever holds the lease tells of it; should its holder have died, the next. The store takes each once. */
  let farewells: Transition[] = []
  const refused = { overtaken: 0, fenced: 0 }
  let gathering: NodeJS.Timeout | undefined
  let publishing: Promise<void> | null = null
  let next: Promise<void> | null = null
  let isClosed = false

  const isLinked = () => assignment.mode() === 'linked'

  function schedule(isUrgent: boolean): void {
    if (!isLinked() || isClosed) return
    if (isUrgent) {
      clearTimeout(gathering)
      gathering = setTimeout(flush, 0)
    }
    gathering ??= setTimeout(flush, gatherMs)
  }

  /** What there is to publish of a service; null when it is not this replica's to say. */
  function updateOf(service: WatchedService): Update | null {
    const { name } = service.service
    const link = links.of(service)
    const shard = shardOf(name)
    const token = assignment.covers(name) ? tokenOf(shard) : null
    const records: MemoryRecord[] = []
    if (token !== null && link.isAhead) {
      link.isAhead = false
      records.push({ field: '', base: link.version, memory: writeService(service, clock) })
    }
    for (const watched of service.targets) {
      const target = links.ofTarget(watched)
      if (!target.isAhead || (token === null && !target.isAsked)) continue
      target.isAhead = false
      target.isAsked = false
      records.push({ field: watched.target.name, base: target.version, memory: writeTarget(watched, clock) })
    }
    const transitions = token === null ? [] : link.found.splice(0)
    const names = new Set(service.targets.map(({ target }) => target.name))
    const gone = token === null ? [] : [...link.gone].filter((target) => !names.has(target))
    if (token !== null) link.gone.clear()
    if (records.length + transitions.length + gone.length === 0) return null
    return { service: name, shard, token, records, gone, transitions }
  }

  function farewellUpdates(): Update[] {
    const fresh = farewells.filter(({ service, at }) => clock.now() - at < farewellMs && !monitor.services.has(service))
    farewells = fresh.filter(({ service }) => tokenOf(shardOf(service)) === null).slice(-mostFarewells)
    return fresh.flatMap((transition) => {
      const { service } = transition
      const shard = shardOf(service)
      const token = tokenOf(shard)
      return token === null ? [] : [{ service, shard, token, records: [], gone: [], transitions: [transition] }]
    })
  }

  /** Nothing came back: it is to be published again. Were it taken all the same, it would go on from what is past, and be refused. */
  function takeBack({ service: name, token, records, gone, transitions }: Update): void {
    const service = monitor.services.get(name)
    if (service === undefined) {
      farewells.push(...transitions)
      return
    }
    const versions = links.versionsOf(service)
    if (records.some(({ field, base }) => (versions.get(field) ?? base) !== base)) {
      onRefused(service)
      return
    }
    const link = links.of(service)
    link.found.unshift(...transitions)
    for (const target of gone) link.gone.add(target)
    for (const { field } of records) {
      if (field === '') link.isAhead = true
      const watched = service.targets.find(({ target }) => target.name === field)
      if (watched !== undefined) Object.assign(links.ofTarget(watched), { isAhead: true, isAsked: token === null })
    }
    dirty.add(service)
  }

  function settle({ service: name, records, transitions }: Update, verdict: Verdict, version: number): void {
    if (verdict === 'taken') onTaken(transitions)
    else refused[verdict]++
    if (verdict === 'fenced') onFenced()
    const service = monitor.services.get(name)
    if (service === undefined) {
      if (verdict !== 'taken') farewells.push(...transitions)
      return
    }
    if (verdict !== 'taken') {
      onRefused(service)
      return
    }
    links.advance(
      service,
      records.map(({ field }) => field),
      version,
    )
  }

  async function publishDue(): Promise<void> {
    // What comes in meanwhile is gathered for the next time.
    const due = new Set(dirty)
    const leaving = farewellUpdates()
    while (isLinked() && due.size + leaving.length > 0) {
      const chosen = firstPortion(due)
      for (const service of chosen) {
        due.delete(service)
        dirty.delete(service)
      }
      const watched = chosen.filter((service) => monitor.services.get(service.service.name) === service)
      const updates = [...watched.flatMap((service) => updateOf(service) ?? []), ...leaving.splice(0, portion)]
      if (updates.length === 0) continue
      const published = await publish(updates)
      if (published === null) {
        for (const update of [...updates, ...leaving]) takeBack(update)
        schedule(false)
        return
      }
      for (const [index, update] of updates.entries())
        settle(update, published.verdicts[index] ?? 'fenced', published.version)
    }
  }

  function flush(): Promise<void> {
    clearTimeout(gathering)
    gathering = undefined
    if (publishing !== null) {
      next ??= publishing.then(() => {
        next = null
        return flush()
      })
      return next
    }
    publishing = publishDue().finally(() => {
      publishing = null
    })
    return publishing
  }

  return {
    mark(service, isUrgent) {
      dirty.add(service)
      schedule(isUrgent)
    },
    bidFarewell(transition) {
      // Of what nothing was known the store could not see that it was told already.
      if (transition.from === 'unknown' && tokenOf(shardOf(transition.service)) === null) return
      farewells.push(transition)
      schedule(true)
    },
    forget: (service) => void dirty.delete(service),
    flush,
    refused: () => refused,
    close() {
      isClosed = true
      clearTimeout(gathering)
    },
  }
}
