/** Porthole as a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { after, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { familyOf } from './metrics/page.ts'

/** What starts Porthole. */
export const porthole = fileURLToPath(new URL('../src/porthole.js', import.meta.url))
/**
 * How long a test waits for something that must happen, in milliseconds. It is no measure of speed: another process may take both cores
 * meanwhile. What is to be fast is measured in bench/.
 */
export const limitMs = 120_000

/** What something may be tied to, to be ended with it: a test, or all those of a file. */
export type Scope = { after(end: () => void | Promise<void>): void }

/** The scope of all tests of a file; call it at its top. */
export function fileScope(): Scope {
  const ends: (() => void | Promise<void>)[] = []
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { after: (end) => void ends.push(end) }
}

/** A folder of the test's own, gone after it. */
export function createFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Only what a test names; nothing of the machine's own settings. */
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

/** Starts it; `by` a program that runs it, if there is one. It is gone after the test. */
export function launch(t: TestContext, args: string[], env: Record<string, string> = {}, by: string[] = []) {
  const [program = process.execPath, ...rest] = [...by, process.execPath, porthole, ...args]
  const child = spawn(program, rest, {
    cwd: createFolder(t),
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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

  /** Waits for a log line after the ones already there. */
  const logged = (pattern: RegExp, from = 0) =>
    until(`the log says ${pattern}`, async () => lines.slice(from).find(({ msg }) => pattern.test(msg)))
  return { child, ended, lines, errors: () => errors, logged }
}

/** Starts it and waits until it listens; `by` a program that runs it, if there is one. It is gone after the test. */
export async function start(t: TestContext, args: string[], env: Record<string, string> = {}, by: string[] = []) {
  const launched = launch(t, args, env, by)
  const { logged } = launched
  const { msg } = await logged(/^Server listening at /)
  const url = msg.replace('Server listening at ', '')
  const metric = async (name: string) => familyOf(await (await fetch(`${url}/metrics`)).text(), name)
  const health = async (service: string) => {
    const response = await fetch(`${url}/health/${service}`)
    // biome-ignore lint/suspicious/noExplicitAny: a report as it came, which the assertions look into
    return { code: response.status, body: (await response.json()) as any }
  }
  return { ...launched, url, metric, health }
}

/** Asks until there is an answer, for two minutes: a bound on the wait, so that a test that would hang says for what. */
export async function until<Answer>(what: string, ask: () => Promise<Answer | undefined | false>): Promise<Answer> {
  // The time of day may be corrected meanwhile.
  const deadline = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() >= deadline) throw new Error(`waited in vain: ${what}`)
    await sleep(15)
  }
}
