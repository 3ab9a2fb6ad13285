import { escapeUnseen } from '../domain/values/quote.ts'

/** Where a command writes: one call is one line. */
export type Output = {
  out(line: string): void
  err(line: string): void
  /** Writes text for a terminal to the standard output as it is. Text from elsewhere must have gone through `escapeUnseen`. */
  write(text: string): void
}

/** The streams of the process that a command writes to. */
export type Streams = { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream }

/** Returns the output of the process. In lines, characters that a terminal does not show as themselves are escaped. */
export function createOutput({ stdout, stderr }: Streams): Output {
  /** Writes text. If that fails, the exit status stays the same, because a full disk does not make a target down. */
  function write(stream: NodeJS.WriteStream, text: string): void {
    if (stream.listenerCount('error') === 0) stream.on('error', (error) => void reportUnwritten(stream, error))
    stream.write(text)
  }

  function reportUnwritten(stream: NodeJS.WriteStream, { code, message }: NodeJS.ErrnoException): void {
    // A reader that has gone, such as `head`, needs no more lines.
    if (stream === stdout && code !== 'EPIPE') writeLine(stderr, `porthole: the output cannot be written: ${message}`)
  }

  const writeLine = (stream: NodeJS.WriteStream, line: string) => write(stream, `${escapeUnseen(line)}\n`)

  return {
    out: (line) => writeLine(stdout, line),
    err: (line) => writeLine(stderr, line),
    write: (text) => write(stdout, text),
  }
}
