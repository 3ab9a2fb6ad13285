import { createHash } from 'node:crypto'
import { type FileRead, type Obstacle, type OpenFile, readFile } from '../../runtime/read-file.ts'
import type { Problem } from '../problem.ts'

/** The content of a configuration file. Files with the same content have the same digest. */
export type FileContent = {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly digest: string
  /** Whether the file can be read again. A pipe cannot. */
  readonly isRegular: boolean
}

/** The most bytes that a configuration file may have. */
const mostBytes = 64 * 1024 * 1024
/** The longest time that one look at a file may take by default, in milliseconds. */
export const lookMs = 10_000
/** The longest time that reading a file once may take, in milliseconds. A program may have to write it first. */
const readOnceMs = 30_000

/** The result of reading a file, or the problem that prevents it. `ended` resolves once a call that hangs has returned. */
export type Read<Content> =
  | { readonly ok: true; readonly content: Content }
  | { readonly ok: false; readonly problem: Problem; readonly ended?: Promise<void> }

/** The longest time that reading may take, in milliseconds. */
export type Patience = { readonly deadlineMs?: number }

/** Reads a configuration file that is watched: a regular file of at most 64 MiB. */
export function readConfigFile(path: string, { deadlineMs = lookMs }: Patience = {}): Promise<Read<FileContent>> {
  return explained(path, readFile(path, { deadlineMs }, readAll))
}

/** Reads a configuration that is read only once. It may also come from a pipe, such as /dev/stdin or `<(command)`. */
export function readConfigOnce(path: string, { deadlineMs = readOnceMs }: Patience = {}): Promise<Read<FileContent>> {
  return explained(path, readFile(path, { deadlineMs, mayBePipe: true }, readAll))
}

/** The marks by which a file is compared with its earlier state, without its content. */
export type FileMark = {
  readonly digest: string
  /** The device and inode (stat(2)), because another file may have been renamed to this path. */
  readonly identity: string
  /** The time of the last write and the size (st_mtim and st_size of stat(2)). It changes with every write, as finely as the file system counts. */
  readonly written: string
}

/** Reads the marks of a file. The content of the file needs no memory, however large it is. */
export function readMark(path: string, { deadlineMs = lookMs }: Patience = {}): Promise<Read<FileMark>> {
  const reading = readFile(path, { deadlineMs }, async (file) => {
    const digest = await digestOf(file, () => undefined)
    // Use the open file, because another file may have its name now. Opening it made a network file system ask its server.
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
  const chunks: Uint8Array[] = []
  const digest = await digestOf(file, (chunk) => chunks.push(chunk.slice()))
  return { bytes: join(chunks), digest, isRegular: file.isRegular }
}

/** Reads a file and gives each chunk to `take`, which must copy it because the next chunk overwrites it. Resolves with the digest. */
async function digestOf(file: OpenFile, take: (chunk: Uint8Array) => void): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of file.chunks(mostBytes)) {
    hash.update(chunk)
    take(chunk)
  }
  return hash.digest('base64')
}

/** Joins chunks in new memory, which can be transferred to another thread. */
function join(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
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
        ? `this is a pipe, and the program that writes to it did not close it within ${seconds} s: let it write everything and then close the pipe`
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
