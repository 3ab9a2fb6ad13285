import { type Health, unchecked } from '../domain/health.ts'
import { Status } from '../domain/status.ts'
import type { Target } from '../domain/target.ts'
import { type Columns, createColumns, placeOf, rowOf, wordAt } from './columns.ts'
import { createMemoryPage, type MemoryPage, numberAt, readHealth, writeHealth } from './memory-page.ts'
import type { Check, TargetMemory, WatchedService, WatchedTarget } from './watch.ts'

/**
 * What is remembered of targets, as columns: a hundred thousand healths and outcomes as objects would be ten million words for the
 * garbage collector to look at, and every outcome would put others in their place.
 */
export type TargetMemories = {
  /** Watches a target that was never checked, in a slot that is no other's. */
  watch(target: Target, watchedService: WatchedService, slot: number): WatchedTarget
}

export function createTargetMemories(): TargetMemories {
  const columns = createColumns(createMemoryPage)
  return {
    watch(target, watchedService, slot) {
      const watched = new TargetInColumns(target, watchedService, slot, columns)
      Object.assign(watched, nothing)
      return watched
    },
  }
}

const nothing: TargetMemory & Pick<WatchedTarget, 'dueAt'> = {
  health: unchecked,
  announced: 'unknown',
  checks: 0,
  failures: 0,
  connectMs: 0,
  synRetransmits: 0,
  lossAt: null,
  dueAt: 0,
}

/** A class, so that the ways to its columns are there once and not for every target. */
class TargetInColumns implements WatchedTarget {
  slot: number
  target: Target
  readonly watchedService: WatchedService
  check: Check | 'waiting' | null = null
  retired = false
  readonly #columns: Columns<MemoryPage>

  constructor(target: Target, watchedService: WatchedService, slot: number, columns: Columns<MemoryPage>) {
    this.target = target
    this.watchedService = watchedService
    this.slot = slot
    this.#columns = columns
  }

  get #page(): MemoryPage {
    return this.#columns.pageOf(this.slot)
  }

  get health(): Health {
    return readHealth(this.#page, rowOf(this.slot), this.target.address)
  }
  set health(health: Health) {
    writeHealth(this.#page, rowOf(this.slot), health, this.target.address)
  }

  get announced(): Status {
    return wordAt(Status.options, this.#page.announced, rowOf(this.slot)) ?? 'unknown'
  }
  set announced(status: Status) {
    this.#page.announced[rowOf(this.slot)] = placeOf(Status.options, status)
  }

  get checks(): number {
    return this.#page.checks[rowOf(this.slot)] as number
  }
  set checks(count: number) {
    this.#page.checks[rowOf(this.slot)] = count
  }

  get failures(): number {
    return this.#page.failures[rowOf(this.slot)] as number
  }
  set failures(count: number) {
    this.#page.failures[rowOf(this.slot)] = count
  }

  get connectMs(): number {
    return this.#page.connectMs[rowOf(this.slot)] as number
  }
  set connectMs(ms: number) {
    this.#page.connectMs[rowOf(this.slot)] = ms
  }

  get synRetransmits(): number {
    return this.#page.synRetransmits[rowOf(this.slot)] as number
  }
  set synRetransmits(count: number) {
    this.#page.synRetransmits[rowOf(this.slot)] = count
  }

  get lossAt(): number | null {
    return numberAt(this.#page.lossAt, rowOf(this.slot))
  }
  set lossAt(instant: number | null) {
    this.#page.lossAt[rowOf(this.slot)] = instant ?? Number.NaN
  }

  get dueAt(): number {
    return this.#page.dueAt[rowOf(this.slot)] as number
  }
  set dueAt(instant: number) {
    this.#page.dueAt[rowOf(this.slot)] = instant
  }
}
