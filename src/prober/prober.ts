import type { DialRules } from '../domain/dial-rules.ts'
import type { Health } from '../domain/health.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Close } from '../domain/policy-settings.ts'
import type { Target } from '../domain/target.ts'

/** What to dial, for how long (milliseconds, name look-up included), and how to end the connection. */
export type CheckRequest = {
  readonly target: Target
  readonly timeoutMs: number
  readonly close: Close
  /** Somebody is waiting for the outcome: it is not held back, for some tens of milliseconds, to be handed over with others. */
  readonly urgent: boolean
  /** Which addresses may be dialled for it; any where there are none. */
  readonly rules?: DialRules | null
  /** What is remembered of the target. It is read only where a name has to be looked up. */
  readonly memory?: { readonly health: Pick<Health, 'lastOutcome'> }
  /** How long the addresses known last are checked while the name cannot be looked up, in milliseconds; 0 where it is left out. */
  readonly lookupHoldMs?: number
  /** Takes a line about each address of a name, in the order of the dials, before the check ends. */
  readonly tellAddress?: (line: string) => void
}

/** Told of the end of a check: a failed one has an outcome too; undefined when the prober was closed first, which is neither success nor failure. */
export type CheckEnded = (outcome: Outcome | undefined) => void

/** Code that carries checks out. */
export type Prober = {
  readonly name: 'kernel' | 'portable'
  /** Checks once, and calls back once, after this call has returned. A callback and no promise, because promises cost as much as the rest of a check. */
  check(request: CheckRequest, ended: CheckEnded): void
  /** How often it died and was started anew. */
  restarts(): number
  /** Returns when a thread of its own last showed that it runs, an instant of the clock; null where it has none. It does so twice a second. */
  stalledSince?(): number | null
  /** Abandons the checks in flight and closes every socket. */
  close(): Promise<void>
}

/** One check, for those who wait for it. */
export function awaitOutcome(prober: Prober, request: CheckRequest): Promise<Outcome | undefined> {
  return new Promise((ended) => prober.check(request, ended))
}
