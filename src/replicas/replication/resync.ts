import type { Monitor } from '../../monitor/monitor.ts'
import type { ServiceSnapshot, ServiceState, TargetSnapshot, TargetState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { ShardOwnership } from '../lease/shard-ownership.ts'
import { firstBatch } from './batches.ts'
import { isUnreadable, readService } from './health-codec.ts'
import type { StoredHealth } from './publish-protocol.ts'
import type { SyncStates } from './sync-state.ts'

/** How long until a failed read is repeated, in milliseconds. */
const retryMs = 500

export type { StoredHealth }

/** Resync: reads the stored health of services that are new here, and of services about which the store rejected this replica's data. */
export type Resync = {
  /** Requests a read of a service whose shared health this replica does not know yet. */
  want(service: ServiceState): void
  /** Discards this replica's data about the service in favour of the shared data. */
  resyncFrom(service: ServiceState): void
  /** Reads all services again. Resolves with false if that failed. */
  readAll(): Promise<boolean>
  /** Reads the requested services. Resolves with false if that failed. */
  readWanted(): Promise<boolean>
  forget(service: ServiceState): void
  close(): void
}

export type ResyncParts = {
  readonly monitor: Monitor
  readonly clock: Clock
  readonly shardOwnership: ShardOwnership
  readonly syncStates: SyncStates
  /** Resolves with null if there is no answer. */
  readonly read: (services: readonly string[]) => Promise<readonly StoredHealth[] | null>
  /** Decodes the health of a target; returns null for another format version. */
  readonly readSnapshot: (written: unknown, target: string) => TargetSnapshot | null
  /** Called for a field of a service's stored health that cannot be read. */
  readonly onUnreadable?: (service: string, field: string) => void
  /** Called with services whose shared health this replica knows from now on. */
  readonly onRead: (services: readonly ServiceState[]) => void
}

export function createResync({
  monitor,
  clock,
  shardOwnership,
  syncStates,
  read,
  readSnapshot,
  onUnreadable = () => {},
  onRead,
}: ResyncParts): Resync {
  const wanted = new Set<ServiceState>()
  let reading: Promise<boolean> | null = null
  let retrying: NodeJS.Timeout | undefined

  const isRegistered = (service: ServiceState) => monitor.services.get(service.service.name) === service

  async function readBatches(): Promise<boolean> {
    while (wanted.size > 0) {
      const chosen = firstBatch(wanted)
      for (const service of chosen) wanted.delete(service)
      const kept = await read(chosen.map(({ service }) => service.name))
      if (kept === null) {
        for (const service of chosen) if (isRegistered(service)) wanted.add(service)
        // Repeat the read soon, because no replica checks these services until then.
        clearTimeout(retrying)
        retrying = setTimeout(() => void readWanted(), retryMs)
        return false
      }
      const registered = chosen.filter(isRegistered)
      for (const [index, service] of chosen.entries()) {
        if (!registered.includes(service)) continue
        adopt(service, leaveOutUnreadable(service.service.name, kept[index] ?? new Map()))
        shardOwnership.setRead(service.service.name, true)
      }
      onRead(registered)
    }
    return true
  }

  function readWanted(): Promise<boolean> {
    reading ??= readBatches().finally(() => {
      reading = null
    })
    return reading
  }

  function unread(service: ServiceState): void {
    shardOwnership.setRead(service.service.name, false)
    wanted.add(service)
  }

  /** Removes the health of fields that cannot be read. Their version stays, because the next outcome continues from it. */
  function leaveOutUnreadable(service: string, kept: StoredHealth): StoredHealth {
    const odd = [...kept].filter(([field, { snapshot }]) => isUnreadable(field, snapshot))
    if (odd.length === 0) return kept
    for (const [field] of odd) onUnreadable(service, field)
    return new Map([...kept, ...odd.map(([field, { version }]) => [field, { version, snapshot: undefined }] as const)])
  }

  /** Adopts the stored health of a service, except where this replica has found newer outcomes since. */
  function adopt(service: ServiceState, kept: StoredHealth): void {
    const { mustAdopt } = syncStates.of(service)
    const snapshot = resyncService(service, kept)
    const adopted = resyncTargets(service, kept, mustAdopt)
    syncStates.of(service).mustAdopt = false
    monitor.adopt(service, snapshot, adopted, { isWhole: true })
    for (const registered of service.targets) {
      const target = syncStates.ofTarget(registered)
      const version = kept.get(registered.target.name)?.version ?? 0
      if (!mustAdopt && isOutdated(version, target.version)) continue
      target.version = version
      target.isDirty = !adopted.has(registered.target.name) && registered.health.lastOutcome !== null
      target.isOnDemand = target.isDirty && service.service.policy.intervalMs === null
    }
  }

  /** Returns the stored state of the service itself if this replica has to adopt it; null if its own state continues from it. */
  function resyncService(service: ServiceState, kept: StoredHealth): ServiceSnapshot | null {
    const sync = syncStates.of(service)
    const { mustAdopt } = sync
    const own = kept.get('')
    const hasMoved = (version: number, known: number) => version !== known && (mustAdopt || !isOutdated(version, known))
    // Another replica has published the service or its targets since, or the store has lost its data.
    const known = syncStates.versionsOf(service)
    const isConflict =
      hasMoved(own?.version ?? 0, sync.version) ||
      [...kept].some(([field, { version }]) => known.has(field) && hasMoved(version, known.get(field) ?? 0))
    if (isConflict) sync.unpublished = []
    if (mustAdopt || !isOutdated(own?.version ?? 0, sync.version)) sync.version = own?.version ?? 0
    const snapshot = own !== undefined && (isConflict || mustAdopt) ? readService(own.snapshot, clock) : null
    if (snapshot !== null) sync.isDirty = false
    else if (own === undefined) sync.isDirty = service.emittedStatus !== 'unknown'
    return snapshot
  }

  /** Returns the stored health of the targets to adopt: that which is newer than this replica's own, or all of it. */
  function resyncTargets(service: ServiceState, kept: StoredHealth, mustAdopt: boolean): Map<string, TargetSnapshot> {
    const before = new Map(service.targets.map((registered) => [registered.target.name, registered]))
    const adopted = new Map<string, TargetSnapshot>()
    for (const [name, { version, snapshot }] of kept) {
      if (name === '') continue
      const known = before.get(name)
      const found = readSnapshot(snapshot, name)
      if (found === null) continue
      const isPast = isNewer(known, found) || (known && isOutdated(version, syncStates.ofTarget(known).version))
      if (mustAdopt || !isPast) adopted.set(name, found)
    }
    return adopted
  }

  return {
    want: (service) => void wanted.add(service),
    resyncFrom(service) {
      const sync = syncStates.of(service)
      sync.mustAdopt = true
      sync.unpublished = []
      unread(service)
      void readWanted()
    },
    async readAll() {
      for (const service of monitor.services.values()) unread(service)
      // A read that is under way may have begun before the services were marked.
      await reading
      return readWanted()
    },
    readWanted,
    forget: (service) => void wanted.delete(service),
    close: () => clearTimeout(retrying),
  }
}

/** Returns whether the stream has brought a newer version since this one was read. Data that the store has lost (version 0) are not outdated. */
function isOutdated(version: number, known: number): boolean {
  return version > 0 && version < known
}

/** Returns whether this replica checked a target after the stored outcome. */
function isNewer(registered: TargetState | undefined, { health }: TargetSnapshot): boolean {
  const own = registered?.health.lastOutcome?.endedAt ?? Number.NEGATIVE_INFINITY
  return own > (health.lastOutcome?.endedAt ?? Number.NEGATIVE_INFINITY)
}
