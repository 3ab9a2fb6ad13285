import type { Transition } from '../domain/transition.ts'
import type { Responsibility } from './responsibility.ts'
import { farewell, review, reviewService } from './settle.ts'
import { createSignal, type Signal } from './signal.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'

/** Announces what reads otherwise than it was announced last, where the service is covered. */
export type Announcer = {
  readonly transitions: Signal<Transition>
  /** A target, and its service. */
  reviewTarget(watched: WatchedTarget): void
  /** The service alone: its targets are not looked at. */
  reviewService(watchedService: WatchedService): void
  /** All its targets, and the service. */
  reviewAll(watchedService: WatchedService): void
  /** The last that is heard of a service, with a sentence that says why; it is told by everybody. */
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

  function reviewTarget(watched: WatchedTarget): void {
    if (covers(watched.watchedService)) announce(review(watched, clock.now()))
  }

  function reviewServiceAlone(watchedService: WatchedService): void {
    if (covers(watchedService)) announce(reviewService(watchedService, clock.now()))
  }

  return {
    transitions,
    reviewTarget,
    reviewService: reviewServiceAlone,
    reviewAll(watchedService) {
      for (const watched of watchedService.targets) reviewTarget(watched)
      // One that has no targets can read otherwise as well.
      reviewServiceAlone(watchedService)
    },
    bidFarewell(watchedService, cause) {
      transitions.emit(farewell(watchedService, cause, clock.now()))
    },
  }
}
