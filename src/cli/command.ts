import type { Output, Streams } from './output.ts'

/** The parts of the process that a command needs. */
export type Context = {
  readonly version: string
  /** The environment as the process got it. */
  readonly env: NodeJS.ProcessEnv
  readonly output: Output
  readonly streams: Streams
  /** Receives whether Porthole has parts that are not closed yet. Threads of those parts may be stuck. */
  readonly setOpen: (isOpen: boolean) => void
}

/** A command of the command line. */
export type Command = {
  /** The text of `--help`: its forms, options, exit status and examples. */
  readonly usage: string
  /** Runs the command. `args` are the arguments after its name. Resolves with the exit status, or with null if Porthole serves from now on. */
  run(args: string[], context: Context): Promise<number | null>
}

/** Writes the error in the command line, and the usage. Returns the exit status. */
export function reportMisuse(error: string, usage: string, { err }: Output): 2 {
  err(`porthole: ${error}`)
  for (const line of ['', ...usage.split('\n')]) err(line)
  return 2
}
