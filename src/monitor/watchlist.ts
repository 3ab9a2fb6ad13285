import { noAddresses } from '../domain/addresses.ts'
import { unchecked } from '../domain/health.ts'
import type { Service } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'
import { createSlots } from './slots.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Gives what is watched its place in columns. */
export type Watchlist = {
  /** Starts watching a service, as yet without its targets. */
  addService(service: Service): WatchedService
  /** Starts watching a target; it becomes one of its service's only when that is said. */
  addTarget(target: Target, watchedService: WatchedService): WatchedTarget
  /** Once everybody has been told that a service is gone. */
  dropService(watchedService: WatchedService): void
  /** Once everybody has been told that a target is gone. */
  dropTarget(watched: WatchedTarget): void
}

export function createWatchlist(): Watchlist {
  const [services, targets] = [createSlots(), createSlots()]
  return {
    addService: (service) => ({
      slot: services.take(),
      service,
      targets: [],
      addresses: noAddresses,
      joining: [],
      announced: 'unknown',
      announcedAt: null,
      drained: false,
      checkedBy: null,
      revision: 0,
    }),
    addTarget: (target, watchedService) => ({
      slot: targets.take(),
      target,
      watchedService,
      health: unchecked,
      announced: 'unknown',
      check: null,
      retired: false,
      checks: 0,
      failures: 0,
      connectMs: 0,
      synRetransmits: 0,
      lossAt: null,
    }),
    dropService: ({ slot }) => services.giveBack(slot),
    dropTarget: ({ slot }) => targets.giveBack(slot),
  }
}
