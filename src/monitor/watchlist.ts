import { noPauses, type Pauses } from '../domain/pause.ts'
import type { Service } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'
import { rowOf } from './columns.ts'
import type { MemoryPage } from './memory-page.ts'
import { createServiceMemories } from './service-memories.ts'
import { createSlots } from './slots.ts'
import { createTargetMemories } from './target-memories.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Gives what is watched its place in columns. */
export type Watchlist = {
  /** What is watched in a slot. */
  targetAt(slot: number): WatchedTarget | undefined
  /** The columns that the target in a slot is remembered in. */
  memoryOf(slot: number): MemoryPage
  /** Starts watching a service, as yet without its targets. */
  addService(service: Service): WatchedService
  /** Starts watching a target; it becomes one of its service's only when that is said. */
  addTarget(target: Target, watchedService: WatchedService): WatchedTarget
  /** Once everybody has been told that a service is gone. From then on it reads as one that was never announced. */
  dropService(watchedService: WatchedService): void
  /** Once everybody has been told that a target is gone. From then on it reads as one that was never checked. */
  dropTarget(watched: WatchedTarget): void
}

/** `pauses` is when checks could confirm nothing. */
export function createWatchlist(pauses: Pauses = noPauses): Watchlist {
  const [serviceSlots, targetSlots] = [createSlots(), createSlots()]
  /** Where those are that are gone: nothing is written there from then on, but that they are. */
  const [goneService, goneTarget] = [serviceSlots.take(), targetSlots.take()]
  const [services, targets] = [createServiceMemories(goneService, pauses), createTargetMemories()]
  targets.pageOf(goneTarget).retired[rowOf(goneTarget)] = 1
  const inSlot: (WatchedTarget | undefined)[] = []
  return {
    targetAt: (slot) => inSlot[slot],
    memoryOf: targets.pageOf,
    addService: (service) => services.watch(service, serviceSlots.take()),
    addTarget(target, watchedService) {
      const slot = targetSlots.take()
      const watched = targets.watch(target, watchedService, slot)
      inSlot[slot] = watched
      return watched
    },
    dropService(watchedService) {
      services.forget(watchedService)
      serviceSlots.giveBack(watchedService.slot)
      watchedService.slot = goneService
    },
    dropTarget(watched) {
      targets.forget(watched)
      inSlot[watched.slot] = undefined
      targetSlots.giveBack(watched.slot)
      watched.slot = goneTarget
    },
  }
}
