import { isForeign } from '../../domain/check/outcome.ts'
import type { Transition } from '../../domain/health/transition.ts'
import type { ForeignWord } from '../../domain/service/foreign-settings.ts'
import { createEmitter, type Emitter } from '../../monitor/emitter.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { ServiceState, TargetSnapshot, TargetState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { ShardOwnership } from '../lease/shard-ownership.ts'
import { shardOf } from '../lease/shards.ts'
import { isUnreadable, readService, readTarget } from './health-codec.ts'
import type { Fields, Records } from './publish-protocol.ts'
import { createPublisher, type Publisher, type PublisherParts } from './publisher.ts'
import { createResync, type ResyncParts } from './resync.ts'
import { createSyncStates } from './sync-state.ts'

/** How many transitions of one service wait at most while they cannot be published. */
const mostUnpublished = 100

/** Health replication. This replica publishes its outcomes and applies those of the others, so that all replicas have the same health. */
export type HealthReplication = {
  /** Emits the transitions that this replica found and that count. */
  readonly recorded: Emitter<Transition>
  /** Reads the shared health of all services. Resolves with false if that failed. */
  readAll(): Promise<boolean>
  /** Applies an entry of the stream that another replica published. Returns how many of its records cannot be read. */
  applyEntry(entry: number, records: Records): number
  /** Starts to check the services of these shards. */
  gain(shards: readonly number[]): void
  /** Reports the unpublished transitions here, because this replica is alone from now on. */
  goSolo(): void
  readonly flush: Publisher['flush']
  readonly refused: Publisher['refused']
  close(): void
}

export type HealthReplicationParts = Pick<PublisherParts, 'fencingTokenOf' | 'publish' | 'onFenced'> &
  Pick<ResyncParts, 'read' | 'onUnreadable'> & {
    readonly monitor: Monitor
    readonly clock: Clock
    readonly shardOwnership: ShardOwnership
    /** Receives the transitions that this replica finds while it is solo. */
    readonly alone: Emitter<Transition>
    /** Called for a reason of another replica that this version does not know. */
    readonly onForeign: (word: ForeignWord) => void
  }

export function createHealthReplication(parts: HealthReplicationParts): HealthReplication {
  const { monitor, clock, shardOwnership, alone, fencingTokenOf, publish, read, onFenced, onForeign } = parts
  const recorded = createEmitter<Transition>()
  const reported = new WeakSet<Transition>()
  const syncStates = createSyncStates()
  const readSnapshot = (written: unknown, target: string) => {
    const snapshot = readTarget(written, clock)
    const outcome = snapshot?.health.lastOutcome
    if (outcome != null && isForeign(outcome.reason))
      onForeign({ kind: 'reason', word: outcome.code ?? '', where: target })
    return snapshot
  }
  const { onUnreadable = () => {} } = parts
  const resync = createResync({
    monitor,
    clock,
    shardOwnership,
    syncStates,
    read,
    readSnapshot,
    onUnreadable,
    onRead: begin,
  })
  const publisher = createPublisher({
    monitor,
    clock,
    shardOwnership,
    syncStates,
    fencingTokenOf,
    publish,
    onTaken: (transitions) => transitions.forEach(emitRecorded),
    onFenced,
    onRefused: resync.resyncFrom,
  })

  const isRegistered = (service: ServiceState) => monitor.services.get(service.service.name) === service

  function emitRecorded(transition: Transition): void {
    if (reported.has(transition)) return
    reported.add(transition)
    recorded.emit(transition)
  }

  function emitAlone(transition: Transition): void {
    alone.emit(transition)
    emitRecorded(transition)
  }

  function recordTransition(transition: Transition): void {
    if (shardOwnership.mode() === 'solo') emitAlone(transition)
    const service = monitor.services.get(transition.service)
    if (service === undefined) {
      publisher.publishRemoval(transition)
      return
    }
    const sync = syncStates.of(service)
    sync.isDirty = true
    sync.unpublished.push(transition)
    if (sync.unpublished.length > mostUnpublished) sync.unpublished.shift()
    const target = service.targets.find(({ target }) => target.name === transition.target)
    if (target !== undefined) syncStates.ofTarget(target).isDirty = true
    publisher.mark(service, true)
  }

  function recordOutcome(state: TargetState, isOnDemand: boolean): void {
    const target = syncStates.ofTarget(state)
    target.isDirty = true
    if (isOnDemand) target.isOnDemand = true
    publisher.mark(state.serviceState, isOnDemand)
  }

  /** Handles new and removed targets, and changed definitions of services. */
  function syncTargets(changed: readonly TargetState[]): void {
    for (const state of changed) {
      const service = state.serviceState
      if (!isRegistered(service)) {
        forget(service)
        continue
      }
      const sync = syncStates.of(service)
      if (state.retired) sync.gone.add(state.target.name)
      sync.isDirty = true
      publisher.mark(service, false)
      if (!shardOwnership.isRead(service.service.name)) resync.want(service)
    }
    if (shardOwnership.mode() === 'linked') void resync.readWanted()
  }

  function forget(service: ServiceState): void {
    publisher.forget(service)
    resync.forget(service)
    if (!monitor.services.has(service.service.name)) shardOwnership.setRead(service.service.name, false)
  }

  /** Starts to check those of these services that this replica owns, from their shared health. */
  function begin(services: readonly ServiceState[]): void {
    for (const service of services) publisher.mark(service, false)
    const owned = services.filter(({ service }) => shardOwnership.owns(service.name))
    for (const service of owned) monitor.detectTransitions(service)
    if (owned.length > 0) shardOwnership.gained.emit(owned.map(({ service }) => service.name))
  }

  /** Applies the fields of a service. Returns how many of them cannot be read. Unreadable fields, and fields of an older entry, change nothing. */
  function applyEntry(service: ServiceState, entry: number, fields: Fields): number {
    const sync = syncStates.of(service)
    const versions = syncStates.versionsOf(service)
    const readable = fields.filter(([field, snapshot]) => !isUnreadable(field, snapshot, versions.has(field)))
    const newer = readable.filter(([field]) => entry > (versions.get(field) ?? 0))
    const written = new Map(newer)
    const adopted = new Map<string, TargetSnapshot>()
    for (const [field, snapshot] of newer) {
      const found = field === '' ? null : readSnapshot(snapshot, field)
      if (found !== null) adopted.set(field, found)
    }
    const dirty = service.targets.filter((state) => {
      return adopted.has(state.target.name) && syncStates.ofTarget(state).isDirty
    })
    const isContested = sync.unpublished.length + dirty.length > 0
    sync.unpublished = []
    if (written.has('')) sync.isDirty = false
    for (const state of dirty) Object.assign(syncStates.ofTarget(state), { isDirty: false, isOnDemand: false })
    monitor.adopt(service, readService(written.get(''), clock), adopted)
    // After the adoption, because adopted addresses may have added targets.
    syncStates.advance(
      service,
      readable.map(([field]) => field),
      entry,
    )
    // Outcomes that this replica found at the same time do not count, so it reads the service again.
    if (isContested && shardOwnership.owns(service.service.name)) resync.resyncFrom(service)
    return fields.length - readable.length
  }

  const stopListening = [
    monitor.checked.subscribe(({ state, lateMs }) => recordOutcome(state, lateMs === null)),
    monitor.transitions.subscribe(recordTransition),
    monitor.targetsChanged.subscribe(syncTargets),
  ]

  return {
    recorded,
    readAll: resync.readAll,
    applyEntry(entry, records) {
      let unread = 0
      for (const [name, fields] of records) {
        const service = monitor.services.get(name)
        if (service !== undefined) unread += applyEntry(service, entry, fields)
      }
      return unread
    },
    gain(shards) {
      const gained = new Set(shards)
      begin([...monitor.services.values()].filter(({ service }) => gained.has(shardOf(service.name))))
      void publisher.flush()
    },
    goSolo() {
      for (const service of monitor.services.values()) syncStates.of(service).unpublished.forEach(emitAlone)
    },
    flush: publisher.flush,
    refused: publisher.refused,
    close() {
      for (const stop of stopListening) stop()
      publisher.close()
      resync.close()
    },
  }
}
