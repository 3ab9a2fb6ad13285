import type { Transition } from '../../domain/health/transition.ts'
import { createEmitter, type Emitter } from '../emitter.ts'
import type { Ownership } from '../ownership.ts'
import {
  detectTransitions,
  detectServiceTransition as emitForService,
  removalTransition,
} from '../state/apply-outcome.ts'
import type { ServiceState, TargetState } from '../state/state.ts'

/** Emitter of transitions: compares each status with the last emitted one. A replica emits only transitions of services that it owns. */
export type TransitionEmitter = {
  readonly transitions: Emitter<Transition>
  /** Compares a target with its last emitted status, then its service. */
  emitForTarget(state: TargetState): void
  /** Compares the service alone, not its targets. */
  emitForService(serviceState: ServiceState): void
  /** Compares all targets of the service, then the service. */
  emitForServiceAndTargets(serviceState: ServiceState): void
  /** Emits the last transition of a service, with a sentence that says why the service is gone. Every replica does so, not only the owner. */
  emitRemoval(serviceState: ServiceState, cause: string): void
}

export function createTransitionEmitter({
  clock,
  ownership,
}: {
  clock: { now(): number }
  ownership: Ownership
}): TransitionEmitter {
  const transitions = createEmitter<Transition>()

  const owns = ({ service }: ServiceState) => ownership.owns(service.name)

  function emitAll(changes: readonly Transition[]): void {
    for (const transition of changes) transitions.emit(transition)
  }

  function emitForTarget(state: TargetState): void {
    if (owns(state.serviceState)) emitAll(detectTransitions(state, clock.now()))
  }

  function emitForServiceAlone(serviceState: ServiceState): void {
    if (owns(serviceState)) emitAll(emitForService(serviceState, clock.now()))
  }

  return {
    transitions,
    emitForTarget,
    emitForService: emitForServiceAlone,
    emitForServiceAndTargets(serviceState) {
      for (const state of serviceState.targets) emitForTarget(state)
      // The status of a service without targets can change as well.
      emitForServiceAlone(serviceState)
    },
    emitRemoval(serviceState, cause) {
      transitions.emit(removalTransition(serviceState, cause, clock.now()))
    },
  }
}
