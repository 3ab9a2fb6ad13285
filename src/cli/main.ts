import { readFileSync } from 'node:fs'
import { buildResolverOptions } from '../prober/lookup/resolver-options.ts'
import { awaitsSystem, exitAtOnce } from '../runtime/exit.ts'
import type { Command, Context } from './command.ts'
import { createOutput } from './output.ts'

/** The commands by their names. Each is loaded only when it runs, because `porthole check` is over before the server would be loaded. */
const commands: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  check: () => import('./commands/check.ts'),
  wait: () => import('./commands/wait.ts'),
  status: () => import('./commands/status.ts'),
  validate: () => import('./commands/validate.ts'),
}

/** Runs the command of the command line and sets the exit code of the process. `env` is the environment as the process got it. */
export async function main(version: string, env: NodeJS.ProcessEnv): Promise<void> {
  const options = buildResolverOptions(readResolvConf(), process.env.RES_OPTIONS)
  // glibc reads RES_OPTIONS at the first look-up of each thread.
  if (options !== undefined) process.env.RES_OPTIONS = options
  /** Whether Porthole serves and has parts that are not closed yet. Threads of those parts may be stuck. */
  let isOpen = false
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
  const setOpen = (open: boolean) => {
    isOpen = open
  }
  const { stdout, stderr } = process
  const streams = { stdout, stderr }
  const status = await run(process.argv.slice(2), { version, env, streams, output: createOutput(streams), setOpen })
  if (status === null) return
  process.exitCode = status
  // Otherwise Node.js would wait for a look-up or a file whose result is not needed any more.
  if (isOpen || awaitsSystem()) process.exit()
}

/** Returns the system's settings for look-ups (resolv.conf(5)); the empty text if there are none. */
function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    return ''
  }
}

/** Runs the command of the command line. Resolves with the exit status, or with null if Porthole serves from now on. */
async function run(args: string[], context: Context): Promise<number | null> {
  const { output, version } = context
  const [name = '', ...rest] = args
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  // After `--` come the words of another program.
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (own.includes('--help') || own.includes('-h')) {
    const usage = load === undefined ? (await import('./usage.ts')).usage : (await load()).command.usage
    for (const line of usage.split('\n')) output.out(line)
    return 0
  }
  if (load !== undefined) return (await load()).command.run(rest, context)
  if (own.includes('--version') || own.includes('-v')) {
    output.out(version)
    return 0
  }
  const { command } = await import('./commands/serve.ts')
  return command.run(args, context)
}
