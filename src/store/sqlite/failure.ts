import { dirname } from 'node:path'

/** A cause that prevents the use of a file. */
export type Obstacle = {
  /** A sentence that names the file and the remedy. */
  readonly failure: string
  /** Whether the file may be read all the same: it is sound, it is Porthole's, and no other process writes it. */
  readonly readable: boolean
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26

/** Returns whether the same connection may succeed the next time. After any other error the file has to be opened again. */
export function isPassing(error: unknown): boolean {
  const code = resultCode(error)
  return code === FULL || code === IOERR
}

/** Translates an error of SQLite or of the file system. Throws any other error, because that is a bug. */
export function obstacleOf(error: unknown, file: string): Obstacle {
  const code = resultCode(error)
  if (code !== null) return ofSqlite(code, error as Error, file)
  if (error instanceof Error && 'syscall' in error && 'code' in error)
    return explainSystemError(String(error.code), file)
  throw error
}

/** Returns the obstacle for a damaged file. */
export function damaged(file: string): Obstacle {
  return refused(`${file} is damaged: move it away, or put a backup in its place; nothing in it was changed`)
}

/** Returns an obstacle for a file that must not be touched. */
export function refused(failure: string): Obstacle {
  return { failure, readable: false }
}

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null
  // The upper bits hold details, such as the operation that failed.
  return Number(error.errcode) & 0xff
}

function ofSqlite(code: number, error: Error, file: string): Obstacle {
  const sqliteMessage = `SQLite says "${error.message}"${'errcode' in error ? `, ${error.errcode}` : ''}`
  switch (code) {
    case BUSY:
      return refused(
        `another Porthole uses ${file}: give each its own data directory; when that one ends, this one takes over`,
      )
    case CORRUPT:
    case NOTADB:
      return damaged(file)
    case FULL:
      return readable(full(file))
    case READONLY:
      return readable(`${file} can only be read (${sqliteMessage}): make it and its directory writable`)
    case CANTOPEN:
      return readable(`${file} cannot be opened (${sqliteMessage}): make it and its directory readable and writable`)
    case IOERR:
      return readable(
        `${file} cannot be read or written (${sqliteMessage}): see the kernel's log for errors of its disk`,
      )
    default:
      return readable(`${file} cannot be used (${sqliteMessage})`)
  }
}

function explainSystemError(code: string, file: string): Obstacle {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return readable(full(file))
    case 'EROFS':
      return readable(`${file} is on a read-only file system: mount it writable`)
    case 'EACCES':
    case 'EPERM':
      return readable(
        `Porthole may not read and write ${file} (${code}): give its user the right to, in the directory too`,
      )
    case 'ENOTDIR':
    case 'EEXIST':
      return refused(`${dirname(file)} is not a directory: name a directory for Porthole's data`)
    case 'ENOENT':
      // Some directories, such as /proc, accept no new entries.
      return refused(`${dirname(file)} does not exist and cannot be made: make it, or name another data directory`)
    case 'EISDIR':
      return refused(`${file} is a directory: move it away`)
    default:
      return readable(`${file} cannot be used (${code})`)
  }
}

const full = (file: string) => `the disk of ${file} is full: free some space`
const readable = (failure: string): Obstacle => ({ failure, readable: true })
