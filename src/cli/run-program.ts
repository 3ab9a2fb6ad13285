import { spawn } from 'node:child_process'
import { isatty } from 'node:tty'
import { endBySignal, onSignals, passedSignals } from './signals.ts'

/** The signals that a terminal sends to all programs in the foreground when a key is pressed. */
const keySignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH']

/**
 * Runs a program that takes over the input, the output and the signals of this process. Resolves with its exit status. If a signal ended it, the
 * same signal ends this process. Calls `err` with the reason if the program cannot run; the exit status is then that of shells (POSIX.1-2024, Shell
 * Command Language, 2.8.2): 127 if there is no such program, 126 otherwise.
 */
export function runProgram(
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  err: (line: string) => void,
): Promise<number> {
  // A program that gets the same signal twice may end without cleaning up. Porthole passes on no signal that the terminal has already sent.
  const hasTerminal = isatty(0)
  const child = spawn(program, args, { stdio: 'inherit', env })
  const stopPassing = onSignals(passedSignals, (signal) => {
    if (!hasTerminal || !keySignals.includes(signal)) child.kill(signal)
  })
  return new Promise((end) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      stopPassing()
      err(`porthole: ${program} cannot run: ${code === 'ENOENT' ? 'there is no such program' : code}`)
      end(code === 'ENOENT' ? 127 : 126)
    })
    child.once('exit', (status, signal) => {
      stopPassing()
      end(signal === null ? (status ?? 1) : endBySignal(signal))
    })
  })
}
