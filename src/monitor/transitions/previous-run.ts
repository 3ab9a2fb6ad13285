import type { Gap } from '../../domain/health/gap.ts'
import type { LoggedTransition } from '../../domain/health/transition.ts'

/** The log of the previous process. */
export type PreviousRun = {
  /** The transitions, oldest first, which replace everything that this process logged before that process ended. */
  readonly transitions: readonly LoggedTransition[]
  /** The gaps in which no Porthole ran, before that process and between processes before it. Oldest first. */
  readonly gaps: readonly Gap[]
  /** The id and the instant after which the log is complete. */
  readonly completeAfter: { readonly id: number; readonly at: number }
  /** The last instant at which that process is known to have run. */
  readonly endedAt: number
}

/** The log that all replicas share. */
export type SharedLog = Omit<PreviousRun, 'endedAt'>
