import { constants } from 'node:os'

/** The signals that ask a process to end. */
export const endSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
/** The signals that a process passes on to the program that it runs. */
export const passedSignals: readonly NodeJS.Signals[] = [...endSignals, 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT']

/**
 * Calls `listener` for these signals, instead of their default actions. Returns a function that ends this. Process 1 of a container needs a
 * listener, because the kernel drops signals that process 1 does not handle.
 */
export function onSignals(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}

/**
 * Ends the process by a signal, so that its parent sees the signal. No listener for the signal may be left. Returns the exit status that shells
 * use for the signal, for a process that the signal does not end, such as process 1.
 */
export function endBySignal(signal: NodeJS.Signals): number {
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}
