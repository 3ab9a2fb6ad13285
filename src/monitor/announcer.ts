import type { Transition } from '../domain/transition.ts'
import type { Responsibility } from './responsibility.ts'
import { detectTransitions, detectServiceTransition as emitForService, farewell } from './settle.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Emitter of transitions: compares each status with the last emitted one. A replica emits only transitions of services that it owns. */
export type Announcer = {
  readonly transitions: Signal<Transition>
  /** Compares a target with its last emitted status, then its service. */
  emitForTarget(watched: WatchedTarget): void
  /** Compares the service alone, not its targets. */
  emitForService(watchedService: WatchedService): void
  /** Compares all targets of the service, then the service. */
  emitForServiceAndTargets(watchedService: WatchedService): void
  /** Emits the last transition of a service, with a sentence that says why the service is gone. Every replica does so, not only the owner. */
  bidFarewell(watchedService: WatchedService, cause: string): void
}

export function createAnnouncer({
  clock,
  responsibility,
}: {
  clock: { now(): number }
  responsibility: Responsibility
}): Announcer {
  const transitions = createSignal<Transition>()

  const covers = ({ service }: WatchedService) => responsibility.covers(service.name)

  function announce(changes: readonly Transition[]): void {
    for (const transition of changes) transitions.emit(transition)
  }

  function emitForTarget(watched: WatchedTarget): void {
    if (covers(watched.watchedService)) announce(detectTransitions(watched, clock.now()))
  }

  function emitForServiceAlone(watchedService: WatchedService): void {
    if (covers(watchedService)) announce(emitForService(watchedService, clock.now()))
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
    bidFarewell(watchedService, cause) {
      transitions.emit(farewell(watchedService, cause, clock.now()))
    },
  }
}
