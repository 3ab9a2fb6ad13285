import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
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

/** What tells whether a file is the same as before, without keeping what is in it. */
export type FileMark = {
  readonly digest: string
  /** Which file it is: another one may have been renamed to its name (device and inode of stat(2)). */
  readonly identity: string
  /** Grows with every write (st_mtim and st_size of stat(2)), as finely as the file system counts. */
  readonly written: string
}

/** Reads what tells whether a file is the same as before. It takes no memory, however large the file is. */
export function readMark(path: string): Promise<Read<FileMark>> {
  return explained(path, async () => {
    const file = await open(path)
    try {
      const digest = await readPieces(file, () => undefined)
      // Of what was read, not of what has its name by now. Opening it had a network file system ask its server.
      const { dev, ino, size, mtimeNs } = await file.stat({ bigint: true })
      return { digest, identity: `${dev}:${ino}`, written: `${mtimeNs} ${size}` }
    } finally {
      await file.close()
    }
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
  const file = await open(path)
  try {
    const digest = await readPieces(file, (piece) => pieces.push(piece.slice()))
    return { bytes: join(pieces), digest }
  } finally {
    await file.close()
  }
}

/** Reads a file, of which each piece is written over by the next. Resolves with its digest. */
async function readPieces(file: FileHandle, take: (piece: Uint8Array) => void): Promise<string> {
  const hash = createHash('sha256')
  const buffer = new Uint8Array(pieceBytes)
  for (;;) {
    const { bytesRead } = await file.read(buffer)
    if (bytesRead === 0) return hash.digest('base64')
    const piece = buffer.subarray(0, bytesRead)
    hash.update(piece)
    take(piece)
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
