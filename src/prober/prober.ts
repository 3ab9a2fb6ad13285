import type { Outcome } from '../domain/outcome.ts'
import type { Close } from '../domain/service.ts'
import type { Target } from '../domain/target.ts'

/** What to dial, for how long (milliseconds, name look-up included), and how to end the connection. */
export type CheckRequest = { readonly target: Target; readonly timeoutMs: number; readonly close: Close }

/** Code that carries checks out. */
export type Prober = {
  readonly name: 'kernel' | 'portable'
  /**
   * Checks once. A failed check is an outcome, never a rejection; undefined when the prober was closed first,
   * which is neither success nor failure.
   */
  check(request: CheckRequest): Promise<Outcome | undefined>
  /** Abandons the checks in flight and closes every socket. */
  close(): Promise<void>
}
