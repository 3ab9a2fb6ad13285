import type { Pauses } from '../../domain/health/pause.ts'
import { joinedNeverChecked } from '../../domain/health/pending.ts'
import { Status } from '../../domain/health/status.ts'
import type { Service } from '../../domain/service/service.ts'
import { type Addresses, noAddresses } from '../../domain/target/addresses.ts'
import {
  createColumns,
  enumAt,
  enumColumn,
  nullableColumn,
  numberAt,
  numberColumn,
  placeOf,
  put,
  rowOf,
  sparseColumn,
} from './columns.ts'
import type { Checker, ServiceState, TargetState } from './state.ts'
import type { StatusCounts } from './status-counts.ts'

/** The state of all services. Numbers are in columns. */
export type ServiceColumns = {
  /** Creates a service without targets, in a slot that is free and empty. */
  create(service: Service, slot: number): ServiceState
  /** Clears the state of a service. */
  forget(serviceState: ServiceState): void
}

/** One empty list for all services that have no targets, or none that are joining. */
const noTargets: readonly TargetState[] = Object.freeze([])

/** The values of a row in a new chunk. */
const emptyRow: Omit<ServiceState, 'slot' | 'service' | 'targets' | 'checkedAt' | 'pauses'> = {
  addresses: noAddresses,
  failingLookUps: null,
  joining: noTargets,
  checkedBy: null,
  statusCounts: null,
  emittedStatus: 'unknown',
  emittedAt: null,
  drained: false,
  revision: 0,
  cachedStatus: 'unknown',
  cachedUntil: 0,
}

function createChunk() {
  return {
    emittedStatus: enumColumn(),
    emittedAt: nullableColumn(),
    drained: enumColumn(),
    revision: numberColumn(),
    cachedStatus: enumColumn(),
    cachedUntil: numberColumn(),
    /** Most services have none of the values below. */
    addresses: sparseColumn<Addresses>(),
    failingLookUps: sparseColumn<ReadonlyMap<string, number>>(),
    joining: sparseColumn<readonly TargetState[]>(),
    checkedBy: sparseColumn<Checker>(),
    statusCounts: sparseColumn<StatusCounts>(),
  }
}

/** Creates the columns. All services that are gone share `goneSlot`. `pauses` are the pauses in which checks could confirm nothing. */
export function createServiceColumns(goneSlot: number, pauses: Pauses): ServiceColumns {
  const { chunkOf } = createColumns(createChunk)

  /** Declared here, so that the reference to the columns is not a property of every service. */
  class ServiceInColumns implements ServiceState {
    slot: number
    service: Service
    /** A single target is stored without a list. */
    private held: TargetState | readonly TargetState[] = noTargets

    constructor(service: Service, slot: number) {
      this.service = service
      this.slot = slot
    }

    get pauses(): Pauses {
      return pauses
    }

    get targets(): readonly TargetState[] {
      return 'length' in this.held ? this.held : [this.held]
    }
    set targets(targets: readonly TargetState[]) {
      const [first] = targets
      this.held = first !== undefined && targets.length === 1 ? first : targets
    }

    get checkedAt(): number | null {
      // Callers read this of all services at once, so create no list for a single target.
      if (!('length' in this.held)) return this.held.lastEndedAt
      let oldest = Number.POSITIVE_INFINITY
      let pending = 0
      for (const state of this.held) {
        const { lastEndedAt } = state
        if (lastEndedAt !== null) oldest = Math.min(oldest, lastEndedAt)
        else if (joinedNeverChecked(state.health)) pending++
        else return null
      }
      return pending > 0 && pending === this.held.length ? null : oldest
    }

    get addresses(): Addresses {
      return chunkOf(this.slot).addresses[rowOf(this.slot)] ?? noAddresses
    }
    set addresses(addresses: Addresses) {
      put(chunkOf(this.slot).addresses, rowOf(this.slot), addresses.size > 0 ? addresses : undefined)
    }

    get failingLookUps(): ReadonlyMap<string, number> | null {
      return chunkOf(this.slot).failingLookUps[rowOf(this.slot)] ?? null
    }
    set failingLookUps(failing: ReadonlyMap<string, number> | null) {
      put(chunkOf(this.slot).failingLookUps, rowOf(this.slot), failing ?? undefined)
    }

    get joining(): readonly TargetState[] {
      return chunkOf(this.slot).joining[rowOf(this.slot)] ?? noTargets
    }
    set joining(joining: readonly TargetState[]) {
      put(chunkOf(this.slot).joining, rowOf(this.slot), joining.length > 0 ? joining : undefined)
    }

    get checkedBy(): Checker | null {
      return chunkOf(this.slot).checkedBy[rowOf(this.slot)] ?? null
    }
    set checkedBy(checker: Checker | null) {
      put(chunkOf(this.slot).checkedBy, rowOf(this.slot), checker ?? undefined)
    }

    get statusCounts(): StatusCounts | null {
      return chunkOf(this.slot).statusCounts[rowOf(this.slot)] ?? null
    }
    set statusCounts(statusCounts: StatusCounts | null) {
      // A caller may still ask for the status of a service that is gone. Its targets are counted, but the counts are not cached.
      if (this.slot !== goneSlot) put(chunkOf(this.slot).statusCounts, rowOf(this.slot), statusCounts ?? undefined)
    }

    get emittedStatus(): Status {
      return enumAt(Status.options, chunkOf(this.slot).emittedStatus, rowOf(this.slot)) ?? 'unknown'
    }
    set emittedStatus(status: Status) {
      chunkOf(this.slot).emittedStatus[rowOf(this.slot)] = placeOf(Status.options, status)
    }

    get emittedAt(): number | null {
      return numberAt(chunkOf(this.slot).emittedAt, rowOf(this.slot))
    }
    set emittedAt(instant: number | null) {
      chunkOf(this.slot).emittedAt[rowOf(this.slot)] = instant ?? Number.NaN
    }

    get drained(): boolean {
      return chunkOf(this.slot).drained[rowOf(this.slot)] === 1
    }
    set drained(isDrained: boolean) {
      chunkOf(this.slot).drained[rowOf(this.slot)] = isDrained ? 1 : 0
    }

    get revision(): number {
      return chunkOf(this.slot).revision[rowOf(this.slot)] as number
    }
    set revision(count: number) {
      chunkOf(this.slot).revision[rowOf(this.slot)] = count
      chunkOf(this.slot).cachedUntil[rowOf(this.slot)] = 0
    }

    get cachedStatus(): Status {
      return enumAt(Status.options, chunkOf(this.slot).cachedStatus, rowOf(this.slot)) ?? 'unknown'
    }
    set cachedStatus(status: Status) {
      chunkOf(this.slot).cachedStatus[rowOf(this.slot)] = placeOf(Status.options, status)
    }

    get cachedUntil(): number {
      return chunkOf(this.slot).cachedUntil[rowOf(this.slot)] as number
    }
    set cachedUntil(instant: number) {
      // The status of a service that is gone is not cached either.
      if (this.slot !== goneSlot) chunkOf(this.slot).cachedUntil[rowOf(this.slot)] = instant
    }
  }

  return {
    create: (service, slot) => new ServiceInColumns(service, slot),
    forget: (serviceState) => void Object.assign(serviceState, emptyRow),
  }
}
