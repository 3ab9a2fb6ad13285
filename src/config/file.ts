import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Problem } from './problem.ts'

/** A configuration file as it was read. What is written the same has the same digest. */
export type FileContent = { readonly bytes: Uint8Array<ArrayBuffer>; readonly digest: string }

/** How much is read at once, in bytes: the digest of more would hold up everything else for longer than it has to. */
const chunkBytes = 1_000_000

/** What is in a configuration file, or why there is nothing. */
export async function readConfigFile(
  path: string,
): Promise<{ readonly ok: true; readonly content: FileContent } | { readonly ok: false; readonly problem: Problem }> {
  const hash = createHash('sha256')
  const chunks: Buffer[] = []
  try {
    const file: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: chunkBytes })
    for await (const chunk of file) {
      hash.update(chunk)
      chunks.push(chunk)
    }
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    return { ok: false, problem: { place: path, path: '', message: explainUnreadable(code) } }
  }
  return { ok: true, content: { bytes: join(chunks), digest: hash.digest('base64') } }
}

/** Into memory of its own, which can be given to another thread. */
function join(chunks: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function explainUnreadable(code: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file: write it, or name another one with --config FILE'
    case 'EISDIR':
      return 'this is a directory: name the file in it'
    case 'EACCES':
    case 'EPERM':
      return `Porthole may not read this file (${code}): give its user the right to`
    default:
      return `the file cannot be read (${code})`
  }
}
