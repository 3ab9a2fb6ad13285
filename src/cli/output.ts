import { escapeUnseen } from '../domain/values/quote.ts'

/** Where a command writes: one call is one line. */
export type Output = { out(line: string): void; err(line: string): void }

/** The streams of the process that a command writes to. */
export type Streams = { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream }

/** Returns the output of the process. Characters that a terminal does not show as themselves are escaped. */
export function createOutput({ stdout, stderr }: Streams): Output {
  /** Writes a line. If that fails, the exit status stays the same, because a full disk does not make a target down. */
  function writeLine(stream: NodeJS.WriteStream, line: string): void {
    if (stream.listenerCount('error') === 0) stream.on('error', (error) => void reportUnwritten(stream, error))
    stream.write(`${escapeUnseen(line)}\n`)
  }

  function reportUnwritten(stream: NodeJS.WriteStream, { code, message }: NodeJS.ErrnoException): void {
    // A reader that has gone, such as `head`, needs no more lines.
    if (stream === stdout && code !== 'EPIPE') writeLine(stderr, `porthole: the output cannot be written: ${message}`)
  }

  return { out: (line) => writeLine(stdout, line), err: (line) => writeLine(stderr, line) }
}
