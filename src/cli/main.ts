import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildResolverOptions } from '../prober/lookup/resolver-options.ts'
import { awaitsSystem, exitAtOnce } from '../runtime/exit.ts'
import { createOutput } from './output.ts'
import { printUsage, reportMisuse } from './usage.ts'

const output = createOutput(process)

/** Whether Porthole serves and has parts that are not closed yet. Threads of those parts may be stuck. */
let isOpen = false

/** Runs the command of the command line and sets the exit code of the process. */
export async function main(version: string): Promise<void> {
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
    const status = await run(positionals, values, version)
    if (status === null) return
    process.exitCode = status
    // Otherwise Node.js would wait for a look-up or a file whose result is not needed any more.
    if (isOpen || awaitsSystem()) process.exit()
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) throw error
    process.exitCode = reportMisuse(error.message, output)
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

/**
 * Runs the command of the command line. Resolves with the exit status, or with null if Porthole serves from now on. Each command is loaded only
 * here, because `porthole check` is over before the modules of the server would be read.
 */
async function run(positionals: string[], options: Options, version: string): Promise<number | null> {
  const [command, operand, ...more] = positionals
  if (options.help === true) return printUsage(output)
  if (options.version === true) {
    output.out(version)
    return 0
  }
  if (command !== 'check' && command !== 'validate') {
    if (options.timeout !== undefined) return reportMisuse('--timeout belongs to `porthole check`', output)
    const { runServe } = await import('./commands/serve.ts')
    const setOpen = (open: boolean) => {
      isOpen = open
    }
    const file = options.config ?? process.env.PORTHOLE_CONFIG ?? null
    return runServe({ targets: positionals, file, version, output, setOpen })
  }
  if (options.config !== undefined)
    return reportMisuse(`--config is for serving: \`porthole ${command}\` does not take it`, output)
  if (operand === undefined || more.length > 0) {
    return reportMisuse(`\`porthole ${command}\` takes one ${command === 'check' ? 'HOST:PORT' : 'FILE'}`, output)
  }
  if (command === 'check') {
    const { runCheck } = await import('./commands/check.ts')
    return runCheck(operand, options.timeout, process.env, output)
  }
  const { validate } = await import('./commands/validate.ts')
  return validate(operand, output)
}
