import type { Service } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'
import { createServiceMemories } from './service-memories.ts'
import { createSlots } from './slots.ts'
import { createTargetMemories } from './target-memories.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Gives what is watched its place in columns. */
export type Watchlist = {
  /** Starts watching a service, as yet without its targets. */
  addService(service: Service): WatchedService
  /** Starts watching a target; it becomes one of its service's only when that is said. */
  addTarget(target: Target, watchedService: WatchedService): WatchedTarget
  /** Once everybody has been told that a service is gone. From then on it reads as one that was never announced. */
  dropService(watchedService: WatchedService): void
  /** Once everybody has been told that a target is gone. From then on it reads as one that was never checked. */
  dropTarget(watched: WatchedTarget): void
}

export function createWatchlist(): Watchlist {
  const [serviceSlots, targetSlots] = [createSlots(), createSlots()]
  const [services, targets] = [createServiceMemories(), createTargetMemories()]
  /** Where those are that are gone: nothing is ever written there. */
  const [goneService, goneTarget] = [serviceSlots.take(), targetSlots.take()]
  return {
    addService: (service) => services.watch(service, serviceSlots.take()),
    addTarget: (target, watchedService) => targets.watch(target, watchedService, targetSlots.take()),
    dropService(watchedService) {
      serviceSlots.giveBack(watchedService.slot)
      watchedService.slot = goneService
    },
    dropTarget(watched) {
      targetSlots.giveBack(watched.slot)
      watched.slot = goneTarget
    },
  }
}
