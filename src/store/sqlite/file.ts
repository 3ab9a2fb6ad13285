import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { damaged, type Obstacle, obstacleOf, refused } from './failure.ts'
import { applicationId, migrate, schemaVersion, versionOf } from './schema.ts'

/** An open database that is sound and of this schema, or the obstacle. */
export type Opening = { readonly ok: true; readonly db: DatabaseSync } | ({ readonly ok: false } & Obstacle)

/** Returns the path of the log, which holds the commits that are not in the database file yet (https://sqlite.org/wal.html). */
export const logOf = (file: string) => `${file}-wal`

/** How long a Porthole waits for another one to release the file, in milliseconds. At a restart the old one may still be closing. */
const busyTimeoutMs = 1000

/**
 * Opens the database file for writing. Creates the file and its directory if they are missing. No other process can open the file while it is
 * open. `now` is milliseconds since the epoch. The file of another program, or of a newer Porthole, is only read.
 */
export function openToWrite(file: string, now: number): Opening {
  const open = () => {
    makeDirectory(dirname(resolve(file)))
    accessSync(dirname(file), constants.R_OK | constants.W_OK)
    if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK)
    else closeSync(openSync(file, 'wx', 0o600))
    return new DatabaseSync(file, { timeout: busyTimeoutMs, defensive: true })
  }
  return prepare(file, open, (db) => {
    // Set the id before a log exists, so that the file itself carries it, regardless of the content of the log.
    if (versionOf(db) === 0) db.exec(`PRAGMA application_id = ${applicationId}`)
    // SQLite syncs the log at every commit, so that a commit outlives a power cut. It cuts the log to 16 MiB after a burst.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216')
    const obstacle = verify(db, file)
    if (obstacle === null) migrate(db, now)
    return obstacle
  })
}

/**
 * Creates a directory and the missing directories above it. The `recursive` option of Node.js would retry for ever and use a whole CPU if the
 * directory above exists and accepts no entries, as /proc does.
 */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(directory))
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    // If the directory exists now, another Porthole has made it.
    if (!existsSync(directory)) throw error
  }
}

/**
 * Opens a database file that cannot be written. Even then SQLite wants to write, for its lock and for the index of the log. `immutable=1` avoids
 * that, but leaves out the log of a Porthole that was killed. If there is a log, the file is read without a lock and with the index in memory.
 */
export function openToRead(file: string): Opening {
  const url = pathToFileURL(file)
  url.search = existsSync(logOf(file)) ? '?vfs=unix-none' : '?immutable=1'
  const open = () => new DatabaseSync(url, { readOnly: true, defensive: true })
  return prepare(file, open, (db) => {
    const obstacle = verify(db, file)
    if (obstacle !== null || versionOf(db) === schemaVersion) return obstacle
    return refused(`${file} was written by an older Porthole and cannot be brought up to date: make it writable`)
  })
}

function prepare(file: string, open: () => DatabaseSync, finish: (db: DatabaseSync) => Obstacle | null): Opening {
  let db: DatabaseSync | undefined
  let obstacle: Obstacle | null
  try {
    obstacle = lookAt(file)
    if (obstacle === null) {
      db = open()
      // Set this before the first read. Then the index of the log is in memory, and no second process can open the file.
      db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON')
      obstacle = finish(db)
      if (obstacle === null) return { ok: true, db }
    }
  } catch (error) {
    obstacle = obstacleOf(error, file)
  }
  db?.close()
  return { ok: false, ...obstacle }
}

/** Checks by its header whether the file is Porthole's (https://sqlite.org/fileformat2.html#the_database_header), before SQLite touches it. */
function lookAt(file: string): Obstacle | null {
  for (const path of [file, logOf(file), `${file}-journal`]) {
    const stats = statSync(path, { throwIfNoEntry: false })
    // Opening a pipe waits for its other end, for ever.
    if (stats !== undefined && !stats.isFile() && !stats.isDirectory())
      return refused(`${path} is a pipe, a socket or a device and no regular file: move it away`)
  }
  const header = readHeader(file)
  if (header === null || header.length === 0) return null
  if (header.length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') return damaged(file)
  if (header.readUInt32BE(68) !== applicationId)
    return refused(
      `${file} is another program's: move it away, or name another data directory; nothing in it was changed`,
    )
  return newer(header.readUInt32BE(60), file)
}

function readHeader(file: string): Buffer | null {
  if (!existsSync(file)) return null
  const fd = openSync(file, 'r')
  try {
    const header = Buffer.alloc(100)
    return header.subarray(0, readSync(fd, header))
  } finally {
    closeSync(fd)
  }
}

function newer(version: number, file: string): Obstacle | null {
  if (version <= schemaVersion) return null
  return refused(
    `${file} was written by a newer Porthole (its schema has version ${version}, this one knows ${schemaVersion}): run that one, or put a backup in its place; nothing in it was changed`,
  )
}

/** Reads the whole file once, to find damage before the file is used. */
function verify(db: DatabaseSync, file: string): Obstacle | null {
  const [found] = db.prepare('PRAGMA quick_check(1)').all()
  return found?.quick_check === 'ok' ? newer(versionOf(db), file) : damaged(file)
}
