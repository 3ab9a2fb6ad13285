import { parseArgs } from 'node:util'
import { diagnose } from '../../domain/check/diagnosis.ts'
import { type Outcome, verdictOf } from '../../domain/check/outcome.ts'
import { builtInDefaults } from '../../domain/service/built-in-defaults.ts'
import type { Close } from '../../domain/service/policy-settings.ts'
import type { Target } from '../../domain/target/target.ts'
import { awaitOutcome, type Prober } from '../../prober/prober.ts'
import { systemClock } from '../../runtime/clock.ts'
import { type Command, reportMisuse } from '../command.ts'
import type { Output } from '../output.ts'
import { orMistake, readDuration } from '../parse-options.ts'
import { withProber } from '../start-prober.ts'
import { explainClose, readClose, readTargets } from '../targets.ts'

const usage = `porthole check HOST:PORT ... [--timeout 2s] [--close half-open|rst|fin] [--json | --quiet]

Checks each target once, all at the same time, and prints a line for each, in the order of the arguments.
Exit status: 0 all are up, 1 otherwise, 2 wrong usage.

  --timeout 2s    how long a check may take, with the look-up of the name
  --close MODE    how a connection ends: half-open (the default), rst or fin
  --json          one JSON object on a line for each target, with the fields of a target in the API
  --quiet         print nothing

  porthole check db-1.internal:5432 "[::1]:6379"
  porthole check --json db-1:5432 db-2:5432 | jq -r 'select(.status != "up").target'`

const options = {
  timeout: { type: 'string' },
  close: { type: 'string' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' },
} as const

/** The most checks that run at the same time. */
const mostInFlight = 64

export type CheckParts = Pick<Output, 'out' | 'err'> & {
  readonly prober: Prober
  readonly timeoutMs: number
  readonly close?: Close
  readonly format?: 'sentences' | 'json' | 'none'
}

/** A check that has ended. `addresses` are sentences about each address of a name. The outcome is undefined if the prober was closed first. */
type Checked = { readonly addresses: readonly string[]; readonly outcome: Outcome | undefined }

// The sentence for an unknown verdict itself says that the target could not be checked.
const opening = { up: 'is up: ', down: 'is down: ', unknown: '' } as const

/**
 * Checks targets once and writes the results in their order, each as soon as those before it are written. A sentence about a name comes after a
 * line for each of its addresses. Returns the exit status: 0 all up, 1 otherwise.
 */
export async function check(targets: readonly Target[], parts: CheckParts): Promise<0 | 1> {
  const { prober, timeoutMs, close = builtInDefaults.close } = parts
  const checks = targets.map((target) => ({ target, ended: Promise.withResolvers<Checked>() }))
  const waiting = checks.values()

  async function work(): Promise<void> {
    for (const { target, ended } of waiting) {
      const addresses: string[] = []
      const onAddress = (line: string) => void addresses.push(line)
      const outcome = await awaitOutcome(prober, { target, timeoutMs, close, urgent: true, onAddress })
      ended.resolve({ addresses, outcome })
    }
  }

  for (let workers = 0; workers < mostInFlight && workers < targets.length; workers++) void work()
  let status: 0 | 1 = 0
  for (const { target, ended } of checks) {
    const checked = await ended.promise
    writeResult(target, checked, parts)
    if (checked.outcome === undefined || verdictOf(checked.outcome.reason) !== 'up') status = 1
  }
  return status
}

function writeResult(target: Target, { addresses, outcome }: Checked, { out, err, format }: CheckParts): void {
  if (outcome === undefined) err(`the check of ${target.name} was abandoned`)
  else if (format === 'json') out(JSON.stringify(describeCheck(target, outcome, addresses)))
  else if (format !== 'none') {
    for (const line of addresses) out(line)
    out(`${target.name} ${opening[verdictOf(outcome.reason)]}${diagnose(outcome, target)}`)
  }
}

/** Returns the result as an object. Its fields have the names that a target has in the API, and `addresses` is added. */
function describeCheck(target: Target, outcome: Outcome, addresses: readonly string[]) {
  const { reason, latencyMs, synRetransmits, answer, icmp, address, lookupMs } = outcome
  const status = verdictOf(reason)
  const message = diagnose(outcome, target)
  return {
    target: target.name,
    status,
    reason,
    message,
    latencyMs,
    synRetransmits,
    answer,
    icmp,
    address,
    lookupMs,
    addresses,
  }
}

export const command: Command = {
  usage,
  async run(args, { env, output }) {
    const misuse = (error: string) => reportMisuse(error, usage, output)
    const parsed = orMistake(Object.keys(options), () => parseArgs({ args, options, allowPositionals: true }))
    if (typeof parsed === 'string') return misuse(parsed)
    const { values, positionals } = parsed
    const timeoutMs = values.timeout === undefined ? builtInDefaults.timeout : readDuration('--timeout', values.timeout)
    if (typeof timeoutMs === 'string') return misuse(timeoutMs)
    const close = readClose(values.close ?? builtInDefaults.close)
    if (close === null) return misuse(explainClose(values.close ?? ''))
    if (values.json && values.quiet) return misuse('--json and --quiet exclude each other')
    if (positionals.length === 0) return misuse('name a target, such as `porthole check 127.0.0.1:5432`')
    const targets = readTargets(positionals, output)
    if (targets === null) return 2
    const format = values.json ? 'json' : values.quiet ? 'none' : 'sentences'
    return withProber(env, output, { clock: systemClock() }, (prober) =>
      check(targets, { prober, timeoutMs, close, format, ...output }),
    )
  },
}
