import { existsSync } from 'node:fs'
import { isatty } from 'node:tty'
import closeWithGrace from 'close-with-grace'
import type { ConfigWatch } from '../../config/file/watch.ts'
import { formatProblem } from '../../config/problem.ts'
import { readConfig } from '../../config/read.ts'
import { countLookUpThreads } from '../../prober/lookup/resolver-options.ts'
import { returnLargeBlocks } from '../../runtime/malloc.ts'
import { wantsColour } from '../colour.ts'
import { logRemarks, startConfigReloader } from '../config-reloader.ts'
import { loadLineFormat } from '../log-format.ts'
import type { Output } from '../output.ts'
import type { Porthole } from '../serve.ts'
import { reportMisuse } from '../usage.ts'

const defaultFile = 'porthole.yaml'
/** The longest time that closing may take beyond the configured delay, in milliseconds. After that the process exits anyway. */
const closeMs = 3500

export type ServeParts = {
  /** The targets of the command line. */
  readonly targets: string[]
  /** The configuration file that the command line or the environment names; null if neither does. */
  readonly file: string | null
  readonly version: string
  readonly output: Output
  /** Receives whether Porthole has parts that are not closed yet. Threads of those parts may be stuck. */
  readonly setOpen: (isOpen: boolean) => void
}

/** Serves until a signal ends the process. Resolves with the exit status if it cannot serve; with null once it listens. */
export async function runServe(parts: ServeParts): Promise<number | null> {
  const { targets, file: named, version, output, setOpen } = parts
  const file = named ?? (targets.length === 0 ? defaultFile : null)
  if (file === defaultFile && named === null && !existsSync(file)) {
    return reportMisuse(
      `there is no ${defaultFile} here: name one with --config FILE, or name targets, such as db=127.0.0.1:5432`,
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
