import { existsSync } from 'node:fs'
import { isatty } from 'node:tty'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import type { ConfigWatch } from '../../config/file/watch.ts'
import { formatProblem } from '../../config/problem.ts'
import { readConfig } from '../../config/read.ts'
import { closestWord } from '../../domain/values/closest-word.ts'
import { quote } from '../../domain/values/quote.ts'
import { countLookUpThreads } from '../../prober/lookup/resolver-options.ts'
import { returnLargeBlocks } from '../../runtime/malloc.ts'
import { wantsColour } from '../colour.ts'
import { type Command, type Context, reportMisuse } from '../command.ts'
import { logRemarks, startConfigReloader } from '../config-reloader.ts'
import { loadLineFormat } from '../log/log-format.ts'
import { orMistake } from '../parse-options.ts'
import type { Porthole } from '../serve.ts'
import { usage } from '../usage.ts'

const defaultFile = 'porthole.yaml'
/** The longest time that closing may take beyond the configured delay, in milliseconds. After that the process exits anyway. */
const closeMs = 3500

const options = { config: { type: 'string' } } as const
/** The options of commands, which serving does not have. */
const optionsOfCommands: Readonly<Record<string, string>> = {
  timeout: 'check',
  close: 'check',
  json: 'check',
  quiet: 'check',
  for: 'wait',
  watch: 'status',
  'token-file': 'status',
}
const commandNames = ['check', 'wait', 'status', 'validate']
/** Words that other programs have as commands. */
const otherWords: Readonly<Record<string, string>> = {
  serve: 'porthole serves without a command',
  start: 'porthole serves without a command',
  run: 'porthole serves without a command',
  help: '`porthole --help` shows all commands',
  version: '`porthole --version` shows the version',
}

/** Serves until a signal ends the process. Resolves with the exit status if it cannot serve; with null once it listens. */
export const command: Command = {
  usage,
  async run(args, context) {
    const misplaced = args
      .map((arg) => /^--([\w-]+)/.exec(arg)?.[1] ?? '')
      .find((name) => Object.hasOwn(optionsOfCommands, name))
    const parsed =
      misplaced === undefined
        ? orMistake(Object.keys(options), () => parseArgs({ args, options, allowPositionals: true }))
        : `--${misplaced} belongs to \`porthole ${optionsOfCommands[misplaced]}\`, and a command comes first`
    if (typeof parsed === 'string') return reportMisuse(parsed, usage, context.output)
    const { values, positionals } = parsed
    const mistake = positionals.map(explainWord).find((error) => error !== null) ?? null
    if (mistake !== null) return reportMisuse(mistake, usage, context.output)
    return serveTargets(positionals, values.config ?? context.env.PORTHOLE_CONFIG ?? null, context)
  },
}

/** Returns the error in an argument that looks like a command and not like a target; null for any other argument. */
function explainWord(word: string): string | null {
  if (word.includes(':') || word.includes('=')) return null
  if (commandNames.includes(word)) return `a command comes first: porthole ${word} …`
  const close = closestWord(word, commandNames)
  if (close !== null) return `there is no command ${quote(word)}: did you mean \`porthole ${close}\`?`
  return Object.hasOwn(otherWords, word) ? `there is no command ${quote(word)}: ${otherWords[word]}` : null
}

/** Serves the targets of the command line and the named file; null if neither the command line nor the environment names a file. */
async function serveTargets(targets: string[], named: string | null, context: Context): Promise<number | null> {
  const { version, output, setOpen } = context
  const file = named ?? (targets.length === 0 ? defaultFile : null)
  if (file === defaultFile && named === null && !existsSync(file)) {
    return reportMisuse(
      `there is no ${defaultFile} here: name one with --config FILE, or name targets, such as db=127.0.0.1:5432`,
      usage,
      output,
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
  await returnLargeBlocks()
  const sources = { targets, env: process.env }
  const { digest, isWatchable, parsed } = await readConfig(file, sources)
  // Load the server while the file is read.
  const [read, { serve }] = await Promise.all([parsed, import('../serve.ts')])
  if (!read.ok) {
    for (const problem of read.problems) output.err(formatProblem(problem))
    starting.uninstall()
    return 1
  }
  setOpen(true)
  const isTerminal = isatty(1)
  const porthole = await serve(read.config, {
    version,
    lookUpThreads: countLookUpThreads(process.env.UV_THREADPOOL_SIZE),
    formatLine: await loadLineFormat(read.config.logFormat, {
      isTerminal,
      hasColour: wantsColour(process.env, isTerminal),
    }),
    onLog(log) {
      started = log
    },
  })
  if (typeof porthole === 'string') {
    output.err(`porthole: ${porthole}`)
    starting.uninstall()
    return 1
  }
  logRemarks(porthole, file, read)
  // The watch looks at the file at once, which also answers a SIGHUP that came during the start.
  if (file !== null && isWatchable) following = startConfigReloader({ file, seen: digest, sources, porthole })
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
      try {
        await porthole.close()
        setOpen(false)
      } finally {
        await porthole.drainLog()
      }
    },
  )
  starting.uninstall()
  return null
}
