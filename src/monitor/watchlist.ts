import { noPauses, type Pauses } from '../domain/pause.ts'
import type { Service } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'
import { rowOf } from './columns.ts'
import type { MemoryPage } from './memory-page.ts'
import { createServiceMemories } from './service-memories.ts'
import { createSlots } from './slots.ts'
import { createTargetMemories } from './target-memories.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** State store, which gives each service and each target a slot in columns. */
export type Watchlist = {
  /** Returns the target in a slot. */
  targetAt(slot: number): WatchedTarget | undefined
  /** Returns the chunk of columns that holds the target in a slot. */
  memoryOf(slot: number): MemoryPage
  /** Adds a service without targets. */
  addService(service: Service): WatchedService
  /** Adds a target. The caller then makes it one of the targets of its service. */
  addTarget(target: Target, watchedService: WatchedService): WatchedTarget
  /** Drops a service whose removal was emitted. From then on its state is that of a service without transitions. */
  dropService(watchedService: WatchedService): void
  /** Drops a target whose removal was emitted. From then on its state is that of a target that was never checked. */
  dropTarget(watched: WatchedTarget): void
}

/** Creates the store. `pauses` are the pauses in which checks could confirm nothing. */
export function createWatchlist(pauses: Pauses = noPauses): Watchlist {
  const [serviceSlots, targetSlots] = [createSlots(), createSlots()]
  /** The slots of all services and targets that are gone. Only the mark of a gone target is written there. */
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
