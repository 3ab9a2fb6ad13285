import { diagnose } from '../domain/diagnosis.ts'
import { verdictOf } from '../domain/outcome.ts'
import { builtInDefaults } from '../domain/policy-settings.ts'
import { parseTarget } from '../domain/target.ts'
import { awaitOutcome, type Prober } from '../prober/prober.ts'

export type CheckParts = {
  readonly timeoutMs: number
  readonly prober: Prober
  /** Takes a line of the answer. */
  readonly out: (line: string) => void
  /** Takes a line about what went wrong with the command itself. */
  readonly err: (line: string) => void
}

// The sentence for an unknown verdict says by itself that the target could not be checked.
const opening = { up: 'is up: ', down: 'is down: ', unknown: '' } as const

/** Checks `host:port` once and says in a sentence what came of it, after a line about each address if the host is a name. Returns the exit status: 0 up, 1 otherwise, 2 wrong usage. */
export async function check(targetText: string, { timeoutMs, prober, out, err }: CheckParts): Promise<0 | 1 | 2> {
  const target = parseTarget(targetText)
  if (typeof target === 'string') {
    err(target)
    return 2
  }
  const request = { target, timeoutMs, close: builtInDefaults.close, urgent: true, tellAddress: out }
  const outcome = await awaitOutcome(prober, request)
  if (outcome === undefined) {
    err(`the check of ${target.name} was abandoned`)
    return 1
  }
  const verdict = verdictOf(outcome.reason)
  out(`${target.name} ${opening[verdict]}${diagnose(outcome, target)}`)
  return verdict === 'up' ? 0 : 1
}
