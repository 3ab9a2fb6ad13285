import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { Retention, Stored } from '../store.ts'
import { isPassing, type Obstacle, obstacleOf, refused } from './failure.ts'
import { logOf, openToRead, openToWrite } from './file.ts'
import { transact } from './schema.ts'
import { createStatements, isReading, type Operation, type Perform } from './statements.ts'

/** The data that the main thread gives the worker. `now` is milliseconds since the epoch. */
export type WorkerData = { readonly file: string; readonly retention: Retention; readonly now: number }

/** A message from the main thread: the operations of one transaction, or `close`. */
export type Request = readonly Operation[] | 'close'

/** A message from the worker: first whether the file could be opened, then one answer for each operation of each request. */
export type Reply = readonly Stored<unknown>[]

/** A message from the worker, at any time: a sentence for the log. */
export type Notice = { readonly notice: string }

type Open = { readonly db: DatabaseSync; readonly perform: Perform }

const { file, retention, now } = workerData as WorkerData
let current: Open | null = null
/** The inode of the file that was opened. A file that took its place does not contain the data that Porthole confirmed. */
let inode: number | null = null
/**
 * The inode of the log that SQLite writes to. SQLite goes on writing to a log that was removed. Changes that only that log has are lost when the
 * process ends.
 */
let logInode: number | undefined

const opened = openFirst()
parentPort?.postMessage([opened] satisfies Reply)
if (opened.ok) parentPort?.on('message', serve)

function serve(request: Request): void {
  if (request === 'close') {
    shut()
    parentPort?.close()
  } else parentPort?.postMessage(commit(request))
}

/** Opens the database for the first time. A read-only file is opened too, because its data can be served and it may become writable. */
function openFirst(): Stored<null> {
  const found = reopen()
  if ('failure' in found && (!found.readable || readDespiteFailure({ kind: 'load' }) === null))
    return { ok: false, failure: found.failure }
  return { ok: true, value: null }
}

/** Opens the database unless it is open. */
function reopen(): Open | Obstacle {
  try {
    if (inode !== null && inodeOf(file) !== inode)
      return refused(`${file} was moved away while Porthole used it: put it back, or start Porthole again without it`)
    if (current !== null) return current
    const opening = openToWrite(file, now)
    if (!opening.ok) return opening
    current = { db: opening.db, perform: createStatements(opening.db, retention) }
    inode = statSync(file).ino
    logInode = inodeOf(logOf(file))
    return current
  } catch (error) {
    return obstacleOf(error, file)
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

/**
 * Writes the changes that only a removed log has to the database, and begins another log. A log that took the place of the removed one is
 * deleted, because it is older than the database now and would undo changes at the next start. Throws the errors of SQLite.
 */
function rescueLog(db: DatabaseSync): void {
  const [{ busy } = { busy: 1 }] = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all()
  if (busy !== 0) throw new Error('the only connection to a database is busy')
  shut()
  reopen()
  parentPort?.postMessage({
    notice: `${logOf(file)} was removed while Porthole used it: nothing is lost, because its changes were written to ${file} in time; leave both files alone while Porthole runs`,
  } satisfies Notice)
}

function shut(): void {
  current?.db.close()
  current = null
}

/** Runs all operations in one transaction, because one wait for the disk is then enough. */
function commit(operations: readonly Operation[]): Reply {
  const found = reopen()
  if ('failure' in found) return refuse(operations, found)
  const { db, perform } = found
  let isCommitted = false
  try {
    const values = transact(db, () => operations.map(perform))
    isCommitted = true
    // Check the log before the changes are confirmed.
    if (inodeOf(logOf(file)) !== logInode) rescueLog(db)
    return values.map((value) => ({ ok: true, value }))
  } catch (error) {
    const obstacle = obstacleOf(error, file)
    if (isCommitted) return operations.map(() => ({ ok: false, failure: obstacle.failure, isUncertain: true }))
    if (!isPassing(error) || db.isTransaction) shut()
    return refuse(operations, obstacle)
  }
}

/** Answers with the failure. Reading operations are tried on the read-only file, because a file that cannot be written can often be read. */
function refuse(operations: readonly Operation[], { failure, readable }: Obstacle): Reply {
  return operations.map((operation) => {
    const kept = readable && isReading(operation) ? readDespiteFailure(operation) : null
    return kept === null ? { ok: false, failure } : { ok: true, value: kept }
  })
}

function readDespiteFailure(operation: Operation): unknown {
  let db: DatabaseSync | undefined
  try {
    if (current !== null) return current.perform(operation)
    const opening = openToRead(file)
    if (!opening.ok) return null
    db = opening.db
    return createStatements(db, retention)(operation)
  } catch (error) {
    // `obstacleOf` throws if the error is a bug. Otherwise the failure to write was reported already.
    obstacleOf(error, file)
    return null
  } finally {
    db?.close()
  }
}
