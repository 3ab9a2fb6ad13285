import type { Transition } from '../../domain/health/transition.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { ServiceState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { ShardOwnership } from '../lease/shard-ownership.ts'
import { shardOf } from '../lease/shards.ts'
import { batch, firstBatch } from './batches.ts'
import { writeService, writeTarget } from './health-codec.ts'
import type { Published, PublishResult, SnapshotRecord, Update } from './publish-protocol.ts'
import type { SyncStates } from './sync-state.ts'

/** How long outcomes are gathered into one batch before they are published, in milliseconds. */
const gatherMs = 100

/** How long the last transition of a removed service may wait for the replica that publishes it, in milliseconds, and how many of them may wait. */
const removalRetryMs = 60_000
const mostRemovals = 10_000

/** The publisher of the health that this replica finds. */
export type Publisher = {
  /** Schedules a service for publishing: within 100 ms, or at once. */
  mark(service: ServiceState, isUrgent: boolean): void
  /** Publishes the last transition of a service that was removed. */
  publishRemoval(transition: Transition): void
  forget(service: ServiceState): void
  /** Publishes everything that is pending now. */
  flush(): Promise<void>
  /** Returns how many updates the store has rejected, by reason. */
  refused(): Readonly<Record<Exclude<PublishResult, 'accepted'>, number>>
  close(): void
}

export type PublisherParts = {
  readonly monitor: Monitor
  readonly clock: Clock
  readonly shardOwnership: ShardOwnership
  readonly syncStates: SyncStates
  /** Returns the fencing token of a shard that is held; null if it is not. */
  readonly fencingTokenOf: (shard: number) => number | null
  /** Resolves with null if there is no answer. The store may have accepted the updates all the same. */
  readonly publish: (updates: readonly Update[]) => Promise<Published | null>
  /** Called with transitions that the store accepted, which all replicas now get. */
  readonly onTaken: (transitions: readonly Transition[]) => void
  /** Called when the store rejected a fencing token. */
  readonly onFenced: () => void
  /** Called when the store rejected this replica's data about a service. */
  readonly onRefused: (service: ServiceState) => void
}

/**
 * Creates a publisher. Services whose lease this replica holds are published with the fencing token. Checks on demand of other services are published
 * without one.
 */
export function createPublisher(parts: PublisherParts): Publisher {
  const { monitor, clock, shardOwnership, syncStates, fencingTokenOf, publish, onTaken, onFenced, onRefused } = parts
  const dirty = new Set<ServiceState>()
  /**
   * The last transitions of removed services. The replica that holds the lease publishes them. If it has died, the next holder does. The store
   * accepts each only once.
   */
  let removals: Transition[] = []
  const refused = { conflict: 0, fenced: 0 }
  let gathering: NodeJS.Timeout | undefined
  let publishing: Promise<void> | null = null
  let next: Promise<void> | null = null
  let isClosed = false

  const isLinked = () => shardOwnership.mode() === 'linked'

  function schedule(isUrgent: boolean): void {
    if (!isLinked() || isClosed) return
    if (isUrgent) {
      clearTimeout(gathering)
      gathering = setTimeout(flush, 0)
    }
    gathering ??= setTimeout(flush, gatherMs)
  }

  /** Returns the update of a service; null if there is none that this replica may publish. */
  function updateOf(service: ServiceState): Update | null {
    const { name } = service.service
    const sync = syncStates.of(service)
    const shard = shardOf(name)
    const fencingToken = shardOwnership.owns(name) ? fencingTokenOf(shard) : null
    const records: SnapshotRecord[] = []
    if (fencingToken !== null && sync.isDirty) {
      sync.isDirty = false
      records.push({ field: '', base: sync.version, snapshot: writeService(service, clock) })
    }
    for (const state of service.targets) {
      const target = syncStates.ofTarget(state)
      if (!target.isDirty || (fencingToken === null && !target.isOnDemand)) continue
      target.isDirty = false
      target.isOnDemand = false
      records.push({ field: state.target.name, base: target.version, snapshot: writeTarget(state, clock) })
    }
    const transitions = fencingToken === null ? [] : sync.unpublished.splice(0)
    const names = new Set(service.targets.map(({ target }) => target.name))
    const gone = fencingToken === null ? [] : [...sync.gone].filter((target) => !names.has(target))
    if (fencingToken !== null) sync.gone.clear()
    if (records.length + transitions.length + gone.length === 0) return null
    return { service: name, shard, fencingToken, records, gone, transitions }
  }

  function removalUpdates(): Update[] {
    const fresh = removals.filter(
      ({ service, at }) => clock.now() - at < removalRetryMs && !monitor.services.has(service),
    )
    removals = fresh.filter(({ service }) => fencingTokenOf(shardOf(service)) === null).slice(-mostRemovals)
    return fresh.flatMap((transition) => {
      const { service } = transition
      const shard = shardOf(service)
      const fencingToken = fencingTokenOf(shard)
      return fencingToken === null
        ? []
        : [{ service, shard, fencingToken, records: [], gone: [], transitions: [transition] }]
    })
  }

  /**
   * Requeues an update after no answer came. If the stream has since brought newer versions, the store would reject the update, so the service is
   * resynced instead.
   */
  function requeue({ service: name, fencingToken, records, gone, transitions }: Update): void {
    const service = monitor.services.get(name)
    if (service === undefined) {
      removals.push(...transitions)
      return
    }
    const versions = syncStates.versionsOf(service)
    if (records.some(({ field, base }) => (versions.get(field) ?? base) !== base)) {
      onRefused(service)
      return
    }
    const sync = syncStates.of(service)
    sync.unpublished.unshift(...transitions)
    for (const target of gone) sync.gone.add(target)
    for (const { field } of records) {
      if (field === '') sync.isDirty = true
      const state = service.targets.find(({ target }) => target.name === field)
      if (state !== undefined)
        Object.assign(syncStates.ofTarget(state), { isDirty: true, isOnDemand: fencingToken === null })
    }
    dirty.add(service)
  }

  function settle({ service: name, records, transitions }: Update, result: PublishResult, version: number): void {
    if (result === 'accepted') onTaken(transitions)
    else refused[result]++
    if (result === 'fenced') onFenced()
    const service = monitor.services.get(name)
    if (service === undefined) {
      if (result !== 'accepted') removals.push(...transitions)
      return
    }
    if (result !== 'accepted') {
      onRefused(service)
      return
    }
    syncStates.advance(
      service,
      records.map(({ field }) => field),
      version,
    )
  }

  async function publishDue(): Promise<void> {
    // Changes that arrive during this loop wait for the next batch.
    const due = new Set(dirty)
    const leaving = removalUpdates()
    while (isLinked() && due.size + leaving.length > 0) {
      const chosen = firstBatch(due)
      for (const service of chosen) {
        due.delete(service)
        dirty.delete(service)
      }
      const state = chosen.filter((service) => monitor.services.get(service.service.name) === service)
      const updates = [...state.flatMap((service) => updateOf(service) ?? []), ...leaving.splice(0, batch)]
      if (updates.length === 0) continue
      const published = await publish(updates)
      if (published === null) {
        for (const update of [...updates, ...leaving]) requeue(update)
        schedule(false)
        return
      }
      for (const [index, update] of updates.entries())
        settle(update, published.results[index] ?? 'fenced', published.version)
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
    publishRemoval(transition) {
      // The store cannot detect duplicates of a transition from unknown, so only the replica that holds the lease publishes it.
      if (transition.from === 'unknown' && fencingTokenOf(shardOf(transition.service)) === null) return
      removals.push(transition)
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
