import { readProberChoice } from '../../config/prober-choice.ts'
import { formatProblem } from '../../config/problem.ts'
import { diagnose } from '../../domain/check/diagnosis.ts'
import { verdictOf } from '../../domain/check/outcome.ts'
import { builtInDefaults } from '../../domain/service/built-in-defaults.ts'
import { parseTarget } from '../../domain/target/target.ts'
import { parseDuration } from '../../domain/values/duration.ts'
import { awaitOutcome, type Prober } from '../../prober/prober.ts'
import { startProber } from '../../prober/start.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Output } from '../output.ts'
import { reportMisuse } from '../usage.ts'

export type CheckParts = Output & { readonly timeoutMs: number; readonly prober: Prober }

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

/** Runs `porthole check`. `timeout` is the text of the option. Returns the exit status. */
export async function runCheck(
  target: string,
  timeout: string | undefined,
  env: NodeJS.ProcessEnv,
  output: Output,
): Promise<0 | 1 | 2> {
  const timeoutMs = timeout === undefined ? builtInDefaults.timeout : parseDuration(timeout)
  if (timeoutMs === null || timeoutMs <= 0)
    return reportMisuse(`--timeout ${timeout}: write a duration such as 500ms or 2s`, output)
  const choice = readProberChoice(env) ?? 'auto'
  if (typeof choice !== 'string') {
    output.err(formatProblem(choice))
    return 2
  }
  const started = await startProber(choice, { clock: systemClock(), onCallingThread: true })
  if (typeof started === 'string') {
    output.err(`porthole: the ${choice} prober cannot run here: ${started}`)
    return 1
  }
  const status = await check(target, { timeoutMs, prober: started.prober, ...output })
  await started.prober.close()
  return status
}
