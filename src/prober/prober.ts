import type { Outcome } from '../domain/check/outcome.ts'
import type { Health } from '../domain/health/health.ts'
import type { Close } from '../domain/service/policy-settings.ts'
import type { DialRules } from '../domain/target/dial-rules.ts'
import type { Target } from '../domain/target/target.ts'

/** One check to make. `timeoutMs` includes the look-up of the name; `close` says how to end the connection. */
export type CheckRequest = {
  readonly target: Target
  readonly timeoutMs: number
  readonly close: Close
  /** Whether a client waits for the outcome. Other outcomes may be held for up to 50 ms, to be handed over in a batch. */
  readonly urgent: boolean
  /** The rules that say which addresses may be dialled; without rules, any address may. */
  readonly rules?: DialRules | null
  /** The state of the target, which is read only when a name has to be looked up. */
  readonly memory?: { readonly health: Pick<Health, 'lastOutcome'> }
  /** How long the last known addresses are checked while look-ups of the name fail, in milliseconds. The default is 0. */
  readonly lookupHoldMs?: number
  /** Receives a line about each address of a name, in the order of the dials, before the check ends. */
  readonly onAddress?: (line: string) => void
}

/**
 * The callback for the end of a check. A failed check has an outcome too. `undefined` means that the prober was closed first, which is neither
 * success nor failure.
 */
export type CheckEnded = (outcome: Outcome | undefined) => void

/** Code that carries out checks. */
export type Prober = {
  readonly name: 'kernel' | 'portable'
  /** Checks once and calls back once, after this call has returned. A promise would cost as much as the rest of a check. */
  check(request: CheckRequest, ended: CheckEnded): void
  /** Returns how often the prober died and was restarted. */
  restarts(): number
  /**
   * Returns when the thread of the prober last reported that it runs, as an instant of the clock; null without a thread. The thread reports twice
   * a second.
   */
  stalledSince?(): number | null
  /** Ends the checks in flight without an outcome and closes every socket. */
  close(): Promise<void>
}

/** Checks once. Resolves with the outcome; with undefined when the prober was closed first. */
export function awaitOutcome(prober: Prober, request: CheckRequest): Promise<Outcome | undefined> {
  return new Promise((ended) => prober.check(request, ended))
}
