/** Porthole as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { after, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ServiceReport } from '../../src/http/health/reports.ts'
import { familyOf } from '../metrics/page.ts'

/** The command that starts Porthole. */
export const porthole = fileURLToPath(new URL('../../src/porthole.js', import.meta.url))
/**
 * How long a test waits for an event that must happen, in milliseconds. The time says nothing about speed, because other processes may use both
 * cores. bench/ measures speed.
 */
export const limitMs = 120_000

/** The owner of a resource, which ends with it: a test, or all tests of a file. */
export type Scope = { after(end: () => void | Promise<void>): void }

/** Returns the scope of all tests of a file. Call it at the top of the file. */
export function fileScope(): Scope {
  const ends: (() => void | Promise<void>)[] = []
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { after: (end) => void ends.push(end) }
}

/** The processes that tests started. They end with the process of the tests, also when the run is aborted and no test cleans up. */
const started = new Map<ChildProcess, NodeJS.Signals>()
process.once('exit', () => {
  for (const [child, signal] of started) child.kill(signal)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** Ends a process by `signal` with the process of the tests at the latest. */
export function endWithTests(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  started.set(child, signal)
  child.once('exit', () => started.delete(child))
}

/** Creates a folder for the test and deletes it afterwards. */
export function createFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The environment has only the variables that the test names, and no settings of the machine. */
export const environment = (env: Record<string, string> = {}) => ({
  PATH: process.env.PATH,
  PORTHOLE_HOST: '127.0.0.1',
  PORTHOLE_PORT: '0',
  ...env,
})

/** Runs a program to its end. */
export async function run(t: TestContext, program: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, { cwd: createFolder(t), env: environment(env), timeout: limitMs })
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: status as number | null, stdout, stderr }
}

/** Runs `porthole` to its end. */
export const runPorthole = (t: TestContext, args: string[], env?: Record<string, string>) =>
  run(t, process.execPath, [porthole, ...args], env)

export type Line = { level: number; msg: string; time: number; [field: string]: unknown }

/** Starts it; with `by`, through another program. It ends after the test. */
export function launch(t: TestContext, args: string[], env: Record<string, string> = {}, by: string[] = []) {
  const [program = process.execPath, ...rest] = [...by, process.execPath, porthole, ...args]
  const child = spawn(program, rest, {
    cwd: createFolder(t),
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithTests(child)
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => ({ code, signal }))
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const lines: Line[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)))
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })

  /** Waits for a log line after the lines that exist already. */
  const logged = (pattern: RegExp, from = 0) =>
    until(`the log says ${pattern}`, async () => lines.slice(from).find(({ msg }) => pattern.test(msg)))
  return { child, ended, lines, errors: () => errors, logged }
}

/** Starts it and waits until it listens; with `by`, through another program. It ends after the test. */
export async function start(t: TestContext, args: string[], env: Record<string, string> = {}, by: string[] = []) {
  const launched = launch(t, args, env, by)
  const { logged } = launched
  const { msg } = await logged(/^Server listening at /)
  const url = msg.replace('Server listening at ', '')
  const metric = async (name: string) => familyOf(await (await fetch(`${url}/metrics`)).text(), name)
  const health = async (service: string) => {
    const response = await fetch(`${url}/health/${service}`)
    return { code: response.status, body: (await response.json()) as ServiceReport }
  }
  return { ...launched, url, metric, health }
}

/** The shortest and the longest time between two calls of `until`, in milliseconds. */
const leastPollMs = 15
const mostPollMs = 100

/**
 * Calls a function until it returns a truthy value, for at most two minutes. With this bound a test that would hang fails and names the missing
 * event. The time between two calls grows to a tenth of the time waited, because each call may start a request.
 */
export async function until<Answer>(what: string, ask: () => Promise<Answer | undefined | false>): Promise<Answer> {
  // Measure with the monotonic clock, because the time of day may be corrected.
  const startedAt = performance.now()
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    const waitedMs = performance.now() - startedAt
    if (waitedMs >= limitMs) throw new Error(`waited in vain: ${what}`)
    await sleep(Math.min(Math.max(leastPollMs, waitedMs / 10), mostPollMs))
  }
}
