import { noAddresses } from '../domain/addresses.ts'
import type { Service } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'
import { createSlots } from './slots.ts'
import { createTargetMemories } from './target-memories.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Gives what is watched its place in columns. */
export type Watchlist = {
  /** Starts watching a service, as yet without its targets. */
  addService(service: Service): WatchedService
  /** Starts watching a target; it becomes one of its service's only when that is said. */
  addTarget(target: Target, watchedService: WatchedService): WatchedTarget
  /** Once everybody has been told that a service is gone. */
  dropService(watchedService: WatchedService): void
  /** Once everybody has been told that a target is gone. From then on it reads as one that was never checked. */
  dropTarget(watched: WatchedTarget): void
}

export function createWatchlist(): Watchlist {
  const [services, targets] = [createSlots(), createSlots()]
  const memories = createTargetMemories()
  /** Where those are that are gone: nothing is ever written there. */
  const goneSlot = targets.take()
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
    addTarget: (target, watchedService) => memories.watch(target, watchedService, targets.take()),
    dropService: ({ slot }) => services.giveBack(slot),
    dropTarget(watched) {
      targets.giveBack(watched.slot)
      watched.slot = goneSlot
    },
  }
}
