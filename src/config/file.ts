import { createHash } from 'node:crypto'
import { type FileRead, type Obstacle, type OpenFile, readFile } from '../read-file.ts'
import type { Problem } from './problem.ts'

/** A configuration file as it was read. What is written the same has the same digest. */
export type FileContent = {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly digest: string
  /** It can be read again. A pipe cannot. */
  readonly isRegular: boolean
}

/** How many bytes a configuration file may have. */
const mostBytes = 64 * 1024 * 1024
/** How long one look at a file may take unless a caller says otherwise, in milliseconds. */
export const lookMs = 10_000
/** How long a file that is read once may take, in milliseconds: a program may have to write it first. */
const readOnceMs = 30_000

/** What reading a file came to, or why it cannot be read. `ended` resolves once a call that hangs has returned. */
export type Read<Content> =
  | { readonly ok: true; readonly content: Content }
  | { readonly ok: false; readonly problem: Problem; readonly ended?: Promise<void> }

/** How long reading may take, in milliseconds. */
export type Patience = { readonly deadlineMs?: number }

/** Reads a configuration file that is watched: a regular file of at most 64 MiB. */
export function readConfigFile(path: string, { deadlineMs = lookMs }: Patience = {}): Promise<Read<FileContent>> {
  return explained(path, readFile(path, { deadlineMs }, readAll))
}

/** Reads a configuration that is read once: it may also come from a pipe, such as /dev/stdin or `<(command)`. */
export function readConfigOnce(path: string, { deadlineMs = readOnceMs }: Patience = {}): Promise<Read<FileContent>> {
  return explained(path, readFile(path, { deadlineMs, mayBePipe: true }, readAll))
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
export function readMark(path: string, { deadlineMs = lookMs }: Patience = {}): Promise<Read<FileMark>> {
  const reading = readFile(path, { deadlineMs }, async (file) => {
    const digest = await digestOf(file, () => undefined)
    // Of what was read, not of what has its name by now. Opening it had a network file system ask its server.
    const { dev, ino, size, mtimeNs } = await file.handle.stat({ bigint: true })
    return { digest, identity: `${dev}:${ino}`, written: `${mtimeNs} ${size}` }
  })
  return explained(path, reading)
}

async function explained<Content>(path: string, reading: Promise<FileRead<Content>>): Promise<Read<Content>> {
  const read = await reading
  if (read.ok) return { ok: true, content: read.value }
  const problem = { place: path, path: '', message: explainObstacle(read.obstacle) }
  return read.obstacle.kind === 'late' ? { ok: false, problem, ended: read.obstacle.ended } : { ok: false, problem }
}

async function readAll(file: OpenFile): Promise<FileContent> {
  const pieces: Uint8Array[] = []
  const digest = await digestOf(file, (piece) => pieces.push(piece.slice()))
  return { bytes: join(pieces), digest, isRegular: file.isRegular }
}

/** Reads a file, of which each piece is written over by the next. Resolves with its digest. */
async function digestOf(file: OpenFile, take: (piece: Uint8Array) => void): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of file.pieces(mostBytes)) {
    hash.update(piece)
    take(piece)
  }
  return hash.digest('base64')
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

function explainObstacle(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case 'error':
      return explainError(obstacle.code)
    case 'other':
      return obstacle.what === 'a directory'
        ? 'this is a directory: name the file in it'
        : `this is ${obstacle.what}: put a regular file in its place, or a symbolic link to one`
    case 'late': {
      const seconds = obstacle.ms / 1000
      return obstacle.isPipe
        ? `this is a pipe, and the program that writes to it did not come to its end within ${seconds} s: let it write everything and close the pipe`
        : `the file cannot be read within ${seconds} s: see whether its file system hangs, such as a network mount whose server is away`
    }
  }
}

function explainError(code: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file: write it, or name another one with --config FILE'
    case 'EACCES':
    case 'EPERM':
      return `Porthole may not read this file (${code}): give its user the right to`
    case 'EFBIG':
      return 'the file has more than 64 MiB, which is the most for a configuration: see whether this is the right file'
    default:
      return `the file cannot be read (${code})`
  }
}
