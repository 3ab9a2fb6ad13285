import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { readEnvironment } from '../config/environment.ts'
import type { ConfigWatch } from '../config/file/watch.ts'
import { formatProblem } from '../config/problem.ts'
import { readConfig } from '../config/read.ts'
import { builtInDefaults } from '../domain/service/policy-settings.ts'
import { parseDuration } from '../domain/values/duration.ts'
import { escapeUnseen } from '../domain/values/quote.ts'
import { buildResolverOptions, countLookUpThreads } from '../prober/lookup/resolver-options.ts'
import { startProber } from '../prober/start.ts'
import { systemClock } from '../runtime/clock.ts'
import { awaitsSystem, exitAtOnce } from '../runtime/exit.ts'
import { giveBackLarge, preferMemoryWhenCalm } from '../runtime/malloc.ts'
import { check } from './check.ts'
import { logRemarks, startConfigReloader } from './config-reloader.ts'
import type { Porthole } from './serve.ts'
import { validate } from './validate.ts'

const usage = `Porthole makes TCP services checkable over HTTP.

  porthole [TARGET ...] [--config FILE]      serve; a TARGET is host:port or name=host:port
  porthole check HOST:PORT [--timeout 2s]    check once; exits with 0 if up, 1 if not
  porthole validate FILE                     look for problems in a configuration
  porthole --help | --version

Without TARGETs it reads ./porthole.yaml, or the file that --config or PORTHOLE_CONFIG names.
TARGETs are served alone, or together with a named file. A file that changes is reloaded, by itself or on SIGHUP.
Environment, over the file: PORTHOLE_CONFIG, PORTHOLE_HOST, PORTHOLE_PORT, PORTHOLE_HOSTS, PORTHOLE_DATA,
PORTHOLE_TOKEN, PORTHOLE_REDIS_URL, PORTHOLE_LOG_LEVEL, PORTHOLE_PROBER.
`
const defaultFile = 'porthole.yaml'
/** The longest time that closing may take beyond the configured delay, in milliseconds. After that the process exits anyway. */
const closeMs = 3500

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}
const output = {
  out: (line: string) => writeLine(process.stdout, line),
  err: (line: string) => writeLine(process.stderr, line),
}

/** Writes a line. If that fails, the exit status stays the same, because a full disk does not make a target down. */
function writeLine(stream: NodeJS.WriteStream, line: string): void {
  if (stream.listenerCount('error') === 0) stream.on('error', (error) => void tellUnwritten(stream, error))
  stream.write(`${escapeUnseen(line)}\n`)
}

function tellUnwritten(stream: NodeJS.WriteStream, { code, message }: NodeJS.ErrnoException): void {
  // A reader that has gone, such as `head`, needs no more lines.
  if (stream === process.stdout && code !== 'EPIPE') output.err(`porthole: the output cannot be written: ${message}`)
}

/** Whether Porthole serves and has parts that are not closed yet. Threads of those parts may be stuck. */
let isOpen = false

/** Runs the command of the command line and sets the exit code of the process. */
export async function main(): Promise<void> {
  const options = buildResolverOptions(readResolvConf(), process.env.RES_OPTIONS)
  // glibc reads RES_OPTIONS at the first look-up of each thread.
  if (options !== undefined) process.env.RES_OPTIONS = options
  let crash: Error | null = null
  process.once('uncaughtExceptionMonitor', (error) => {
    crash = error
  })
  process.once('exit', (code) => {
    if (!isOpen && !awaitsSystem()) return
    // Print the error here, because Node.js itself prints it after this event.
    if (crash !== null) console.error(crash)
    exitAtOnce(code)
  })
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        timeout: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    })
    const status = await run(positionals, values)
    if (status === null) return
    process.exitCode = status
    // Otherwise Node.js would wait for a look-up or a file whose result is not needed any more.
    if (isOpen || awaitsSystem()) process.exit()
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) throw error
    process.exitCode = misused(error.message)
  }
}

/** Returns the system's settings for look-ups (resolv.conf(5)); the empty text if there are none. */
function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    return ''
  }
}

type Options = {
  config?: string | undefined
  timeout?: string | undefined
  help?: boolean | undefined
  version?: boolean | undefined
}

/** Runs the command of the command line. Resolves with the exit status, or with null if Porthole serves from now on. */
async function run(positionals: string[], options: Options): Promise<number | null> {
  const [command, operand, ...more] = positionals
  if (options.help === true) return printText(usage.trimEnd())
  if (options.version === true) return printText(version)
  if (command !== 'check' && command !== 'validate') {
    if (options.timeout !== undefined) return misused('--timeout belongs to `porthole check`')
    return runServe(positionals, options.config ?? process.env.PORTHOLE_CONFIG ?? null)
  }
  if (options.config !== undefined) return misused(`--config is for serving: \`porthole ${command}\` does not take it`)
  if (operand === undefined || more.length > 0) {
    return misused(`\`porthole ${command}\` takes one ${command === 'check' ? 'HOST:PORT' : 'FILE'}`)
  }
  return command === 'check' ? runCheck(operand, options.timeout) : validate(operand, output)
}

async function runCheck(target: string, timeout: string | undefined): Promise<number> {
  const timeoutMs = timeout === undefined ? builtInDefaults.timeout : parseDuration(timeout)
  if (timeoutMs === null || timeoutMs <= 0) return misused(`--timeout ${timeout}: write a duration such as 500ms or 2s`)
  const { prober: choice, problems } = readEnvironment({ PORTHOLE_PROBER: process.env.PORTHOLE_PROBER })
  for (const problem of problems) output.err(formatProblem(problem))
  if (problems.length > 0) return 2
  const started = await startProber(choice ?? 'auto', systemClock())
  if (typeof started === 'string') {
    output.err(`porthole: the ${choice} prober cannot run here: ${started}`)
    return 1
  }
  const status = await check(target, { timeoutMs, prober: started.prober, ...output })
  await started.prober.close()
  return status
}

async function runServe(targets: string[], named: string | null): Promise<number | null> {
  const file = named ?? (targets.length === 0 ? defaultFile : null)
  if (file === defaultFile && named === null && !existsSync(file)) {
    return misused(
      `there is no ${defaultFile} here: name one with --config FILE, or name targets, such as db=127.0.0.1:5432`,
    )
  }
  // SIGHUP reloads the file and does not end the process.
  const skip: closeWithGrace.AllEvents[] = file === null ? [] : ['SIGHUP']
  let started: Pick<Porthole, 'log' | 'drainLog'> | null = null
  let following: ConfigWatch | null = null
  // Install the handler before anything that takes time. Without a handler, process 1 loses a signal, and any other process ends by it.
  const starting = closeWithGrace(
    { logger: false, skip: [...skip, 'uncaughtException', 'unhandledRejection', 'beforeExit'] },
    async ({ signal }) => {
      // The end of the process closes all that is open.
      if (started === null) return output.err(`porthole: ${signal} while it starts: closing`)
      started.log.info({ signal }, 'closing')
      await started.drainLog()
    },
  )
  if (file !== null) process.on('SIGHUP', () => void following?.look())

  // Set this before anything large is read.
  await giveBackLarge()
  const sources = { targets, env: process.env }
  const { digest, isWatchable, parsed } = await readConfig(file, sources)
  // Load the server only here, because `porthole check` is over before all of it would be read.
  const [read, { serve }] = await Promise.all([parsed, import('./serve.ts')])
  if (!read.ok) {
    for (const problem of read.problems) output.err(formatProblem(problem))
    starting.uninstall()
    return 1
  }
  const setLog = (log: Pick<Porthole, 'log' | 'drainLog'>) => {
    started = log
  }
  isOpen = true
  const porthole = await serve(read.config, version, setLog, countLookUpThreads(process.env.UV_THREADPOOL_SIZE))
  if (typeof porthole === 'string') {
    output.err(`porthole: ${porthole}`)
    starting.uninstall()
    return 1
  }
  const memory = preferMemoryWhenCalm(porthole.isCalm)
  logRemarks(porthole, file, read)
  // The watch looks at the file at once, which also answers a SIGHUP that came during the start.
  if (file !== null && isWatchable)
    following = startConfigReloader({ file, seen: digest, sources, porthole, hurry: memory.hurry })
  else if (file !== null) porthole.log.info({ file }, 'the configuration came through a pipe: it is read once')

  const delay = read.config.shutdownDelayMs + closeMs
  closeWithGrace(
    {
      delay,
      logger: false,
      skip,
      onTimeout: () =>
        porthole.log.error({ delay }, 'closing takes too long, because something hangs: it is cut short'),
      onSecondError: (error) => porthole.log.fatal(error, 'another bug in Porthole: it ends at once'),
    },
    async ({ err, signal }) => {
      if (err !== undefined) porthole.log.fatal(err, 'a bug in Porthole: closing')
      else porthole.log.info({ signal }, 'closing')
      following?.close()
      memory.stop()
      try {
        await porthole.close()
        isOpen = false
      } finally {
        await porthole.drainLog()
      }
    },
  )
  starting.uninstall()
  return null
}

function printText(text: string): number {
  for (const line of text.split('\n')) output.out(line)
  return 0
}

function misused(what: string): number {
  output.err(`porthole: ${what}`)
  for (const line of ['', ...usage.trimEnd().split('\n')]) output.err(line)
  return 2
}
