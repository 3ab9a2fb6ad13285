import type { Stats } from 'node:fs'
import { constants, type FileHandle, open, stat } from 'node:fs/promises'

/** The cause why a file cannot be read. */
export type Obstacle =
  /** An error of the system, such as `ENOENT`; `EFBIG` if the file is longer than allowed. */
  | { readonly kind: 'error'; readonly code: string }
  /** The path is no regular file, but for example `a pipe`. */
  | { readonly kind: 'other'; readonly what: string }
  /** The file was not read in time. `ended` resolves once the call that hangs has returned. */
  | { readonly kind: 'late'; readonly ms: number; readonly isPipe: boolean; readonly ended: Promise<void> }

/** The value that was read from a file, or the cause why it cannot be read. */
export type FileRead<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly obstacle: Obstacle }

export type ReadOptions = {
  /** The longest time that reading may take, in milliseconds. */
  readonly deadlineMs: number
  /** Whether to read pipes and terminals too. Use this only for files that are read once, because reading a pipe removes its content. */
  readonly mayBePipe?: boolean
}

/** An open file. `chunks` yields its bytes, at most `maxBytes`; each chunk is overwritten by the next. */
export type OpenFile = {
  readonly handle: FileHandle
  readonly isRegular: boolean
  chunks(maxBytes: number): AsyncGenerator<Uint8Array>
}

/** The number of bytes that are read at once. A larger chunk would block the event loop for longer while its digest is computed. */
const chunkBytes = 1_000_000

/** The calls that did not return in time, by path. Each holds a thread of the pool, so a path may have only one. */
const hanging = new Map<string, Extract<Obstacle, { kind: 'late' }>>()

/**
 * Opens a file, gives it to `use`, and closes it. Follows symbolic links. The file must be a regular one, unless pipes are allowed. The kind is
 * checked before the file is opened, because opening a pipe waits for its other end and opening a device may start something. While a call for
 * this path hangs, no other call for it begins.
 */
export async function readFile<Value>(
  path: string,
  { deadlineMs, mayBePipe = false }: ReadOptions,
  use: (file: OpenFile) => Promise<Value>,
): Promise<FileRead<Value>> {
  const old = hanging.get(path)
  if (old !== undefined) return { ok: false, obstacle: old }
  let isPipe = false
  let isLate = false

  /** Throws after the deadline, because the next call for the file might hang as well. */
  function assertInTime(): void {
    if (isLate) throw new Error('too late')
  }

  async function* chunks(handle: FileHandle, maxBytes: number): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(chunkBytes)
    let total = 0
    for (;;) {
      const { bytesRead } = await handle.read(buffer)
      assertInTime()
      if (bytesRead === 0) return
      total += bytesRead
      // Check this before the end, because some files have none.
      if (total > maxBytes) throw tooLong()
      yield buffer.subarray(0, bytesRead)
    }
  }

  async function read(): Promise<FileRead<Value>> {
    const kind = kindOf(await stat(path))
    assertInTime()
    isPipe = mayBePipe && readOnce.includes(kind)
    if (kind !== regular && !isPipe) return { ok: false, obstacle: { kind: 'other', what: kind } }
    // Another file may have taken the path, and opening that one may block.
    const handle = await open(path, isPipe ? 'r' : constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    try {
      assertInTime()
      const opened = isPipe ? kind : kindOf(await handle.stat())
      if (opened !== kind) return { ok: false, obstacle: { kind: 'other', what: opened } }
      const value = await use({ handle, isRegular: !isPipe, chunks: (maxBytes) => chunks(handle, maxBytes) })
      return { ok: true, value }
    } finally {
      await handle.close()
    }
  }

  const reading = read().catch((error): FileRead<Value> => {
    const { code = String(error) } = error as NodeJS.ErrnoException
    return { ok: false, obstacle: { kind: 'error', code } }
  })
  const { promise: overdue, resolve } = Promise.withResolvers<FileRead<Value>>()
  const timer = setTimeout(() => {
    isLate = true
    const ended = reading.then(() => void hanging.delete(path))
    const obstacle = { kind: 'late', ms: deadlineMs, isPipe, ended } as const
    hanging.set(path, obstacle)
    resolve({ ok: false, obstacle })
  }, deadlineMs)
  const first = await Promise.race([reading, overdue])
  clearTimeout(timer)
  return first
}

const regular = 'a regular file'
/** The kinds that can be read once, from the beginning to the end. */
const readOnce = ['a pipe', 'a character device']

function kindOf(stats: Stats): string {
  if (stats.isFile()) return regular
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isCharacterDevice()) return 'a character device'
  if (stats.isBlockDevice()) return 'a block device'
  return 'a socket'
}

function tooLong(): NodeJS.ErrnoException {
  return Object.assign(new Error('the file is too long'), { code: 'EFBIG' })
}

/** Resolves with true if the system does not return the kind of a path in time. */
export async function hangs(path: string, deadlineMs: number): Promise<boolean> {
  const found = await readFile(path, { deadlineMs }, async () => undefined)
  return !found.ok && found.obstacle.kind === 'late'
}
