import type { Transition } from '../domain/transition.ts'
import type { Responsibility } from './responsibility.ts'
import { detectTransitions, detectServiceTransition as emitForService, removalTransition } from './settle.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Emitter of transitions: compares each status with the last emitted one. A replica emits only transitions of services that it owns. */
export type TransitionEmitter = {
  readonly transitions: Signal<Transition>
  /** Compares a target with its last emitted status, then its service. */
  emitForTarget(watched: WatchedTarget): void
  /** Compares the service alone, not its targets. */
  emitForService(watchedService: WatchedService): void
  /** Compares all targets of the service, then the service. */
  emitForServiceAndTargets(watchedService: WatchedService): void
  /** Emits the last transition of a service, with a sentence that says why the service is gone. Every replica does so, not only the owner. */
  emitRemoval(watchedService: WatchedService, cause: string): void
}

export function createTransitionEmitter({
  clock,
  responsibility,
}: {
  clock: { now(): number }
  responsibility: Responsibility
}): TransitionEmitter {
  const transitions = createSignal<Transition>()

  const covers = ({ service }: WatchedService) => responsibility.covers(service.name)

  function emitAll(changes: readonly Transition[]): void {
    for (const transition of changes) transitions.emit(transition)
  }

  function emitForTarget(watched: WatchedTarget): void {
    if (covers(watched.watchedService)) emitAll(detectTransitions(watched, clock.now()))
  }

  function emitForServiceAlone(watchedService: WatchedService): void {
    if (covers(watchedService)) emitAll(emitForService(watchedService, clock.now()))
  }

  return {
    transitions,
    emitForTarget,
    emitForService: emitForServiceAlone,
    emitForServiceAndTargets(watchedService) {
      for (const watched of watchedService.targets) emitForTarget(watched)
      // The status of a service without targets can change as well.
      emitForServiceAlone(watchedService)
    },
    emitRemoval(watchedService, cause) {
      transitions.emit(removalTransition(watchedService, cause, clock.now()))
    },
  }
}
