import { type Reason, reasonOf } from '../check/outcome.ts'
import { Status } from './status.ts'

/** A change of status, with its time and cause. */
export type Transition = {
  readonly service: string
  /** Null when the status of the service itself changed. */
  readonly target: string | null
  readonly from: Status
  readonly to: Status
  /** An instant of the monotonic clock, in milliseconds. */
  readonly at: number
  /** The reason of the outcome that caused the change; null when no outcome did. */
  readonly reason: Reason | null
  /** One sentence for people. */
  readonly message: string
}

/**
 * Returns a stored transition in words that this version knows, because a newer version may have stored it. An unfamiliar reason becomes `other`,
 * and an unfamiliar status becomes `unknown`.
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

/** A transition in the log. Its id is a time in microseconds since the epoch, so that ids also grow from one process to the next. */
export type LoggedTransition = Transition & { readonly id: number }
