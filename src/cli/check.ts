import { diagnose } from '../domain/check/diagnosis.ts'
import { verdictOf } from '../domain/check/outcome.ts'
import { builtInDefaults } from '../domain/service/policy-settings.ts'
import { parseTarget } from '../domain/target/target.ts'
import { awaitOutcome, type Prober } from '../prober/prober.ts'

export type CheckParts = {
  readonly timeoutMs: number
  readonly prober: Prober
  /** Takes a line of the answer. */
  readonly out: (line: string) => void
  /** Takes a line about a fault of the command itself. */
  readonly err: (line: string) => void
}

// The sentence for an unknown verdict itself says that the target could not be checked.
const opening = { up: 'is up: ', down: 'is down: ', unknown: '' } as const

/**
 * Checks `host:port` once and writes the result as a sentence. If the host is a name, a line about each of its addresses comes first. Returns
 * the exit status: 0 up, 1 otherwise, 2 wrong usage.
 */
export async function check(targetText: string, { timeoutMs, prober, out, err }: CheckParts): Promise<0 | 1 | 2> {
  const target = parseTarget(targetText)
  if (typeof target === 'string') {
    err(target)
    return 2
  }
  const request = { target, timeoutMs, close: builtInDefaults.close, urgent: true, onAddress: out }
  const outcome = await awaitOutcome(prober, request)
  if (outcome === undefined) {
    err(`the check of ${target.name} was abandoned`)
    return 1
  }
  const verdict = verdictOf(outcome.reason)
  out(`${target.name} ${opening[verdict]}${diagnose(outcome, target)}`)
  return verdict === 'up' ? 0 : 1
}
