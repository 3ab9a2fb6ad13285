import type { DatabaseSync } from 'node:sqlite'

/** The application id in the header of Porthole's files: "Port" in ASCII (https://sqlite.org/fileformat2.html#application_id). */
export const applicationId = 0x50_6f_72_74

/** A function that brings a schema from one version to the next. `now` is milliseconds since the epoch. */
export type Migration = (db: DatabaseSync, now: number) => void

/** The migrations. The first one makes version 1 of an empty file. A released migration is never changed; new ones are added at the end. */
export const migrations: readonly Migration[] = [
  (db, now) => {
    db.exec(`
      CREATE TABLE meta (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        last_revision INTEGER NOT NULL,
        alive_at REAL,
        complete_after_id INTEGER NOT NULL,
        complete_after_at REAL NOT NULL,
        forgotten_id INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE registrations (
        name TEXT PRIMARY KEY,
        definition TEXT NOT NULL,
        revision INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE drained (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
      CREATE TABLE transitions (
        id INTEGER PRIMARY KEY,
        service TEXT NOT NULL,
        target TEXT,
        "from" TEXT NOT NULL,
        "to" TEXT NOT NULL,
        at REAL NOT NULL,
        reason TEXT,
        message TEXT NOT NULL
      ) STRICT;
      CREATE TABLE absences ("from" REAL PRIMARY KEY, "to" REAL NOT NULL) STRICT, WITHOUT ROWID;
      CREATE INDEX changes_of_services ON transitions (service, id) WHERE target IS NULL`)
    db.prepare('INSERT INTO meta VALUES (1, 0, NULL, ?, ?, 0)').run(Math.floor(now) * 1000, now)
  },
  (db) => {
    // The time at which a registration expired; null while it is not expired. The time at which a service was drained; 0 if that was before this
    // version.
    db.exec(`
      ALTER TABLE registrations ADD COLUMN expired_at REAL;
      ALTER TABLE drained ADD COLUMN since REAL NOT NULL DEFAULT 0`)
  },
]

/** The schema version that this Porthole reads and writes. */
export const schemaVersion = migrations.length

/** Returns the schema version of a file; 0 if the file is empty. */
export function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version)
}

/** Brings a file's schema up to date, with one transaction for each step. A file of a newer version stays as it is. */
export function migrate(db: DatabaseSync, now: number, steps: readonly Migration[] = migrations): void {
  for (const [index, step] of steps.entries()) {
    if (index < versionOf(db)) continue
    transact(db, () => {
      step(db, now)
      db.exec(`PRAGMA user_version = ${index + 1}`)
    })
  }
}

/** Runs work in a transaction. Once this returns, all changes are on the disk. If this throws, no change was made. */
export function transact<Value>(db: DatabaseSync, work: () => Value): Value {
  db.exec('BEGIN IMMEDIATE')
  try {
    const value = work()
    db.exec('COMMIT')
    return value
  } catch (error) {
    // SQLite ends the transaction of some errors itself (https://sqlite.org/lang_transaction.html).
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
