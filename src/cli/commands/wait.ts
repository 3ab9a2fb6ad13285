import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { diagnose, formatSpan } from '../../domain/check/diagnosis.ts'
import { isOwnFault, type Reason, ranOutOfTime, verdictOf } from '../../domain/check/outcome.ts'
import { builtInDefaults } from '../../domain/service/built-in-defaults.ts'
import type { Close } from '../../domain/service/policy-settings.ts'
import type { Target } from '../../domain/target/target.ts'
import { createResolver } from '../../prober/lookup/resolver.ts'
import { awaitOutcome, type Prober } from '../../prober/prober.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import { type Command, reportMisuse } from '../command.ts'
import { orMistake, readDuration } from '../parse-options.ts'
import { runProgram } from '../run-program.ts'
import { endBySignal, endSignals, onSignals } from '../signals.ts'
import { withProber } from '../start-prober.ts'
import { explainClose, readClose, readTargets } from '../targets.ts'

const usage = `porthole wait HOST:PORT ... [--for 60s] [--timeout 1s] [--close half-open|rst|fin] [--quiet] [-- COMMAND ARG ...]

Waits until all targets are up, and then runs the command, which takes over. Writes each change of a target to the error output.
A name that cannot be looked up yet is no error.
Exit status: that of the command; without a command 0 if all are up; 1 if they are not up in time, 2 wrong usage.

  --for 60s       how long to wait
  --timeout 1s    how long one try may take
  --close MODE    how a connection ends: half-open (the default), rst or fin
  --quiet         write no changes, and no reason at the end

  porthole wait db:5432 cache:6379 --for 2m -- ./server --port 8080
  porthole wait 127.0.0.1:8080 --for 10s --quiet || exit 1`

const options = {
  for: { type: 'string' },
  timeout: { type: 'string' },
  close: { type: 'string' },
  quiet: { type: 'boolean' },
} as const

/** How long to wait without `--for`, and how long one try may take without `--timeout`, in milliseconds. */
const defaultForMs = 60_000
const defaultTimeoutMs = 1000
/** The first pause between two tries of a target and the longest one, in milliseconds. Each pause is half as long again as the one before. */
const firstPauseMs = 200
const longestPauseMs = 1000
/** How long a name keeps its addresses, in milliseconds: short, because a program that starts may get another address. */
const nameLifetimeMs = 1000

export type WaitParts = {
  readonly prober: Prober
  readonly clock: Clock
  /** How long to wait, and how long one try may take, in milliseconds. */
  readonly forMs: number
  readonly timeoutMs: number
  readonly close: Close
  /** Takes a line for each change of a target. */
  readonly report: (line: string) => void
  /** Ends the wait. */
  readonly signal?: AbortSignal
}

/** A target while Porthole waits for it. `sentence` is about its last try; null before the first. */
type Awaited = { readonly target: Target; reason: Reason | null; sentence: string | null }

/**
 * Waits until all targets are up, or until the time is over. A target that is up is still tried once a second until all are. Resolves with a
 * sentence about each target that is not up; with an empty list when all are.
 */
export async function waitFor(targets: readonly Target[], parts: WaitParts): Promise<string[]> {
  const { prober, clock, forMs, timeoutMs, close, report, signal } = parts
  const deadline = clock.now() + forMs
  const ended = new AbortController()
  signal?.addEventListener('abort', () => ended.abort(), { once: true })
  const all = targets.map((target): Awaited => ({ target, reason: null, sentence: null }))
  const isUp = ({ reason }: Awaited) => reason !== null && verdictOf(reason) === 'up'

  async function tryOnce(awaited: Awaited): Promise<void> {
    const { target } = awaited
    const leftMs = deadline - clock.now()
    const request = { target, timeoutMs: Math.min(timeoutMs, leftMs), close, urgent: true }
    const outcome = await awaitOutcome(prober, request)
    if (outcome === undefined || ended.signal.aborted) return
    const { reason } = outcome
    // A try that the end of the wait cut short says less than the one before.
    const isCutShort = leftMs < timeoutMs && (ranOutOfTime(outcome) || isOwnFault(reason))
    if (isCutShort && awaited.reason !== null) return
    const verdict = verdictOf(reason)
    awaited.sentence = diagnose(outcome, target)
    if (reason !== awaited.reason)
      report(`${target.name} ${verdict === 'unknown' ? '' : `is ${verdict}: `}${awaited.sentence}`)
    awaited.reason = reason
  }

  async function follow(awaited: Awaited): Promise<void> {
    let pauseMs = firstPauseMs
    while (!ended.signal.aborted && clock.now() < deadline) {
      await tryOnce(awaited)
      if (all.every(isUp)) ended.abort()
      const thisPauseMs = Math.min(isUp(awaited) ? longestPauseMs : pauseMs, deadline - clock.now())
      pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)
      await sleep(Math.max(0, thisPauseMs), undefined, { signal: ended.signal }).catch(() => {})
    }
  }

  await Promise.all(all.map(follow))
  return all
    .filter((awaited) => !isUp(awaited))
    .map(
      ({ target, sentence }) =>
        `porthole: ${target.name} is not up after ${formatSpan(forMs)}: ${sentence ?? 'it was not tried'}`,
    )
}

export const command: Command = {
  usage,
  async run(args, { env, output }) {
    const misuse = (error: string) => reportMisuse(error, usage, output)
    const at = args.includes('--') ? args.indexOf('--') : args.length
    const program = args.slice(at + 1)
    const own = args.slice(0, at)
    const parsed = orMistake(Object.keys(options), () => parseArgs({ args: own, options, allowPositionals: true }))
    if (typeof parsed === 'string') return misuse(parsed)
    const { values, positionals } = parsed
    const forMs = values.for === undefined ? defaultForMs : readDuration('--for', values.for)
    if (typeof forMs === 'string') return misuse(forMs)
    const timeoutMs = values.timeout === undefined ? defaultTimeoutMs : readDuration('--timeout', values.timeout)
    if (typeof timeoutMs === 'string') return misuse(timeoutMs)
    const close = readClose(values.close ?? builtInDefaults.close)
    if (close === null) return misuse(explainClose(values.close ?? ''))
    if (positionals.length === 0) return misuse('name a target, such as `porthole wait db:5432 --for 60s`')
    if (at < args.length && program.length === 0) return misuse('name a command after --, or leave -- out')
    const targets = readTargets(positionals, output)
    if (targets === null) return 2

    const report = values.quiet ? () => {} : output.err
    const interrupted = new AbortController()
    let received: NodeJS.Signals | null = null
    const stopListening = onSignals(endSignals, (signal) => {
      received = signal
      interrupted.abort()
    })
    const clock = systemClock()
    const resolver = createResolver({ clock, lifetimeMs: nameLifetimeMs })
    const status = await withProber(env, output, { clock, resolver }, async (prober) => {
      const parts = { prober, clock, forMs, timeoutMs, close, report, signal: interrupted.signal }
      const missing = await waitFor(targets, parts)
      if (received === null) for (const line of missing) report(line)
      return missing.length === 0 ? 0 : 1
    })
    stopListening()
    if (received !== null) return endBySignal(received)
    if (status !== 0 || program.length === 0) return status
    return runProgram(program, env, output.err)
  },
}
