import type { Absence } from '../domain/absence.ts'
import type { LoggedTransition } from '../domain/transition.ts'

/** What an earlier process logged. */
export type EarlierLog = {
  /** The oldest first. They stand for all there is until it ended. */
  readonly transitions: readonly LoggedTransition[]
  /** When no Porthole ran before that process, or others before it: the oldest first. */
  readonly absences: readonly Absence[]
  /** Nothing is missing after this id and this instant. */
  readonly completeAfter: { readonly id: number; readonly at: number }
  /** The instant when it is last known to have run. */
  readonly endedAt: number
}

/** What all replicas know of what happened. */
export type SharedLog = Omit<EarlierLog, 'endedAt'>
