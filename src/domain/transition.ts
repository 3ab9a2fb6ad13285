import { type Reason, reasonOf } from './outcome.ts'
import { Status } from './status.ts'

/** A change of status, with its time and cause. */
export type Transition = {
  readonly service: string
  /** Null when it is the service's own status that changed. */
  readonly target: string | null
  readonly from: Status
  readonly to: Status
  /** An instant of the monotonic clock, in milliseconds. */
  readonly at: number
  /** The last outcome's reason; null when no outcome caused it. */
  readonly reason: Reason | null
  /** One sentence for people. */
  readonly message: string
}

/**
 * Returns a stored transition in words that this version knows, since a newer one may have stored it: an unknown reason becomes `other`, and an
 * unknown status `unknown`.
 */
export function inKnownWords<Stored extends Transition>(transition: Stored): Stored {
  const { from, to, reason } = transition
  return {
    ...transition,
    from: Status.options.includes(from) ? from : 'unknown',
    to: Status.options.includes(to) ? to : 'unknown',
    reason: reason === null ? null : reasonOf(reason),
  }
}

/** A transition as it is remembered. Ids grow with time, also from one process to the next: they are microseconds since the epoch. */
export type LoggedTransition = Transition & { readonly id: number }
