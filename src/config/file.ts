import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Problem } from './problem.ts'

/** A configuration file as it was read. What is written the same has the same digest. */
export type FileContent = { readonly bytes: Uint8Array<ArrayBuffer>; readonly digest: string }

/** How much is read at once, in bytes: the digest of more would hold up everything else for longer than it has to. */
const pieceBytes = 1_000_000

/** What reading a file came to, or why it cannot be read. */
type Read<Content> =
  | { readonly ok: true; readonly content: Content }
  | { readonly ok: false; readonly problem: Problem }

/** What is in a configuration file. */
export function readConfigFile(path: string): Promise<Read<FileContent>> {
  return explained(path, () => readAll(path))
}

/** What is in a configuration file; null where its digest is the one that was `seen`: to find that takes no memory. */
export function readIfChanged(path: string, seen: string | null): Promise<Read<FileContent | null>> {
  return explained(path, async () => {
    const isSame = seen !== null && (await readPieces(path, () => undefined)) === seen
    return isSame ? null : await readAll(path)
  })
}

async function explained<Content>(path: string, read: () => Promise<Content>): Promise<Read<Content>> {
  try {
    return { ok: true, content: await read() }
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    return { ok: false, problem: { place: path, path: '', message: explainUnreadable(code) } }
  }
}

async function readAll(path: string): Promise<FileContent> {
  const pieces: Uint8Array[] = []
  const digest = await readPieces(path, (piece) => pieces.push(piece.slice()))
  return { bytes: join(pieces), digest }
}

/** Reads a file, of which each piece is written over by the next. Resolves with its digest. */
async function readPieces(path: string, take: (piece: Uint8Array) => void): Promise<string> {
  const hash = createHash('sha256')
  const buffer = new Uint8Array(pieceBytes)
  const file = await open(path)
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer)
      if (bytesRead === 0) return hash.digest('base64')
      const piece = buffer.subarray(0, bytesRead)
      hash.update(piece)
      take(piece)
    }
  } finally {
    await file.close()
  }
}

/** Into memory of its own, which can be given to another thread. */
function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
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
