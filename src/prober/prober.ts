import type { Outcome } from '../domain/outcome.ts'
import type { Close } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'

/** What to dial, for how long (milliseconds, name look-up included), and how to end the connection. */
export type CheckRequest = {
  readonly target: Target
  readonly timeoutMs: number
  readonly close: Close
  /** Somebody is waiting for the outcome: it is not held back to be handed over with others. */
  readonly urgent: boolean
}

/** Code that carries checks out. */
export type Prober = {
  readonly name: 'kernel' | 'portable'
  /**
   * Checks once. A failed check is an outcome, never a rejection; undefined when the prober was closed first,
   * which is neither success nor failure.
   */
  check(request: CheckRequest): Promise<Outcome | undefined>
  /** How often it died and was started anew. */
  restarts(): number
  /** Abandons the checks in flight and closes every socket. */
  close(): Promise<void>
}
