import { type Health, neverChecked } from '../../domain/health/health.ts'
import { Status } from '../../domain/health/status.ts'
import { type CompactTarget, compactTarget, type Target, targetOf } from '../../domain/target/target.ts'
import {
  type ColumnChunk,
  createColumnChunk,
  lastEndedAt,
  lastTookMs,
  readHealth,
  writeHealth,
} from './column-chunk.ts'
import { createColumns, enumAt, placeOf, put, rowOf } from './columns.ts'
import type { Check, ServiceState, TargetSnapshot, TargetState } from './state.ts'

/**
 * The state of all targets, as columns. As objects, the healths and outcomes of 100,000 targets are ten million words for the garbage
 * collector to visit. Every outcome would replace some of these objects.
 */
export type TargetColumns = {
  /** Creates a target that was never checked, in a slot that is free and empty. */
  create(target: Target, serviceState: ServiceState, slot: number): TargetState
  /** Clears the state of a target. */
  forget(state: TargetState): void
  /** Returns the chunk that holds the columns of a slot. */
  chunkOf(slot: number): ColumnChunk
}

/** The values of a row in a new chunk. */
const emptyRow: TargetSnapshot & Pick<TargetState, 'dueAt' | 'retired'> = {
  health: neverChecked,
  emittedStatus: 'unknown',
  checks: 0,
  failures: 0,
  connectMs: 0,
  synRetransmits: 0,
  lossAt: null,
  lookupTotalMs: 0,
  slowLookupAt: null,
  dueAt: 0,
  retired: false,
}

export function createTargetColumns(): TargetColumns {
  const { chunkOf } = createColumns(createColumnChunk)

  /** Declared here, so that the reference to the columns is not a property of every target. */
  class TargetInColumns implements TargetState {
    slot: number
    private kept: CompactTarget
    readonly serviceState: ServiceState
    check: Check | 'waiting' | null = null

    constructor(target: Target, serviceState: ServiceState, slot: number) {
      this.kept = compactTarget(target)
      this.serviceState = serviceState
      this.slot = slot
    }

    get target(): Target {
      return targetOf(this.kept)
    }
    set target(target: Target) {
      this.kept = compactTarget(target)
    }

    get health(): Health {
      return readHealth(chunkOf(this.slot), rowOf(this.slot), this.address)
    }
    set health(health: Health) {
      writeHealth(chunkOf(this.slot), rowOf(this.slot), health, this.address)
    }
    get lastEndedAt(): number | null {
      return lastEndedAt(chunkOf(this.slot), rowOf(this.slot))
    }
    get lastTookMs(): number | null {
      return lastTookMs(chunkOf(this.slot), rowOf(this.slot))
    }
    private get address(): string | null {
      return typeof this.kept === 'string' ? this.kept : this.kept.address
    }

    get emittedStatus(): Status {
      return enumAt(Status.options, chunkOf(this.slot).emittedStatus, rowOf(this.slot)) ?? 'unknown'
    }
    set emittedStatus(status: Status) {
      chunkOf(this.slot).emittedStatus[rowOf(this.slot)] = placeOf(Status.options, status)
    }

    get checks(): number {
      return chunkOf(this.slot).checks[rowOf(this.slot)] as number
    }
    set checks(count: number) {
      chunkOf(this.slot).checks[rowOf(this.slot)] = count
    }

    get failures(): number {
      return chunkOf(this.slot).failures[rowOf(this.slot)] as number
    }
    set failures(count: number) {
      chunkOf(this.slot).failures[rowOf(this.slot)] = count
    }

    get connectMs(): number {
      return chunkOf(this.slot).connectMs[rowOf(this.slot)] as number
    }
    set connectMs(ms: number) {
      chunkOf(this.slot).connectMs[rowOf(this.slot)] = ms
    }

    get synRetransmits(): number {
      return chunkOf(this.slot).synRetransmits[rowOf(this.slot)] as number
    }
    set synRetransmits(count: number) {
      chunkOf(this.slot).synRetransmits[rowOf(this.slot)] = count
    }

    get lossAt(): number | null {
      return chunkOf(this.slot).lossAt[rowOf(this.slot)] ?? null
    }
    set lossAt(instant: number | null) {
      put(chunkOf(this.slot).lossAt, rowOf(this.slot), instant ?? undefined)
    }

    get lookupTotalMs(): number {
      return chunkOf(this.slot).lookupTotalMs[rowOf(this.slot)] as number
    }
    set lookupTotalMs(ms: number) {
      chunkOf(this.slot).lookupTotalMs[rowOf(this.slot)] = ms
    }

    get slowLookupAt(): number | null {
      return chunkOf(this.slot).slowLookupAt[rowOf(this.slot)] ?? null
    }
    set slowLookupAt(instant: number | null) {
      put(chunkOf(this.slot).slowLookupAt, rowOf(this.slot), instant ?? undefined)
    }

    get retired(): boolean {
      return chunkOf(this.slot).retired[rowOf(this.slot)] === 1
    }
    set retired(isRetired: boolean) {
      chunkOf(this.slot).retired[rowOf(this.slot)] = isRetired ? 1 : 0
    }

    get dueAt(): number {
      return chunkOf(this.slot).dueAt[rowOf(this.slot)] as number
    }
    set dueAt(instant: number) {
      chunkOf(this.slot).dueAt[rowOf(this.slot)] = instant
    }
  }

  return {
    create: (target, serviceState, slot) => new TargetInColumns(target, serviceState, slot),
    forget: (state) => void Object.assign(state, emptyRow),
    chunkOf,
  }
}
