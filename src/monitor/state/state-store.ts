import { noPauses, type Pauses } from '../../domain/health/pause.ts'
import type { Service } from '../../domain/service/service.ts'
import type { Target } from '../../domain/target/target.ts'
import type { ColumnChunk } from './column-chunk.ts'
import { rowOf } from './columns.ts'
import { createServiceColumns } from './service-columns.ts'
import { createSlots } from './slots.ts'
import type { ServiceState, TargetState } from './state.ts'
import { createTargetColumns } from './target-columns.ts'

/** State store, which gives each service and each target a slot in columns. */
export type StateStore = {
  /** Returns the target in a slot. */
  targetAt(slot: number): TargetState | undefined
  /** Returns the chunk of columns that holds the target in a slot. */
  chunkAt(slot: number): ColumnChunk
  /** Adds a service without targets. */
  addService(service: Service): ServiceState
  /** Adds a target. The caller then makes it one of the targets of its service. */
  addTarget(target: Target, serviceState: ServiceState): TargetState
  /** Drops a service whose removal was emitted. From then on its state is that of a service without transitions. */
  dropService(serviceState: ServiceState): void
  /** Drops a target whose removal was emitted. From then on its state is that of a target that was never checked. */
  dropTarget(state: TargetState): void
}

/** Creates the store. `pauses` are the pauses in which checks could confirm nothing. */
export function createStateStore(pauses: Pauses = noPauses): StateStore {
  const [serviceSlots, targetSlots] = [createSlots(), createSlots()]
  /** The slots of all services and targets that are gone. Only the mark of a gone target is written there. */
  const [goneService, goneTarget] = [serviceSlots.allocate(), targetSlots.allocate()]
  const [services, targets] = [createServiceColumns(goneService, pauses), createTargetColumns()]
  targets.chunkOf(goneTarget).retired[rowOf(goneTarget)] = 1
  const inSlot: (TargetState | undefined)[] = []
  return {
    targetAt: (slot) => inSlot[slot],
    chunkAt: targets.chunkOf,
    addService: (service) => services.create(service, serviceSlots.allocate()),
    addTarget(target, serviceState) {
      const slot = targetSlots.allocate()
      const state = targets.create(target, serviceState, slot)
      inSlot[slot] = state
      return state
    },
    dropService(serviceState) {
      services.forget(serviceState)
      serviceSlots.release(serviceState.slot)
      serviceState.slot = goneService
    },
    dropTarget(state) {
      targets.forget(state)
      inSlot[state.slot] = undefined
      targetSlots.release(state.slot)
      state.slot = goneTarget
    },
  }
}
