import { readProberChoice } from '../config/prober-choice.ts'
import { formatProblem } from '../config/problem.ts'
import type { Resolver } from '../prober/lookup/resolver.ts'
import type { Prober } from '../prober/prober.ts'
import { startProber } from '../prober/start.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Output } from './output.ts'

/**
 * Starts the prober of a command, on the calling thread. PORTHOLE_PROBER chooses it. If it cannot start, writes why, and resolves with the exit
 * status.
 */
export async function startCommandProber(
  env: NodeJS.ProcessEnv,
  { err }: Output,
  parts: { readonly clock: Clock; readonly resolver?: Resolver },
): Promise<Prober | 1 | 2> {
  const choice = readProberChoice(env) ?? 'auto'
  if (typeof choice !== 'string') {
    err(formatProblem(choice))
    return 2
  }
  const started = await startProber(choice, { ...parts, onCallingThread: true })
  if (typeof started !== 'string') return started.prober
  err(`porthole: the ${choice} prober cannot run here: ${started}`)
  return 1
}

/** Starts a prober, uses it, and closes it. Resolves with the exit status. */
export async function withProber<Status extends number>(
  env: NodeJS.ProcessEnv,
  output: Output,
  parts: { readonly clock: Clock; readonly resolver?: Resolver },
  use: (prober: Prober) => Promise<Status>,
): Promise<Status | 1 | 2> {
  const prober = await startCommandProber(env, output, parts)
  if (typeof prober === 'number') return prober
  try {
    return await use(prober)
  } finally {
    await prober.close()
  }
}
