import type { DatabaseSync } from 'node:sqlite'
import { type Dating, stepMs } from '../../runtime/clock.ts'
import type { OwnEnds } from '../store.ts'

/** Corrects stored times after the wall clock was corrected. Each correction is part of the transaction of the next write. */
export type Datings = {
  /**
   * Sets the dating of the times that follow. If the stored dating is of the same boot and differs by a step, it corrects the times that were
   * written with the stored dating.
   */
  redate(dating: Dating): void
  /** Records that a gap was written with the current dating, and for which of its ends that is so. */
  recordGap(from: number, ownEnds: OwnEnds): void
  /** Records that the time at which a registration expired was written with the current dating. */
  recordExpiry(name: string): void
  /** Deletes the record for a registration that is gone. */
  forgetExpiry(name: string): void
  /** Records that a heartbeat was written with the current dating. */
  recordHeartbeat(): void
}

type Row = {
  readonly boot: string
  readonly booted_at: number
  readonly monotonic_at: number
  readonly after_id: number
  readonly heartbeat: number
}

/**
 * Creates the datings of a database. The tables are created when they are needed and have no version, so that an older Porthole can read the
 * file without them. Table `dating` has the dating with which all transitions after an id were written, and the heartbeat too once `beat` is 1.
 * Tables `dated_absences` and `dated_expiries` list the gaps and the expiries that were written with it.
 */
export function createDatings(db: DatabaseSync): Datings {
  let sql: ReturnType<typeof prepare> | null = null
  const statements = () => {
    sql ??= prepare(db)
    return sql
  }

  /** Starts a new dating. The existing entries were written with other datings, unless this process made the file. */
  function begin({ boot, bootedAt, monotonicAt }: Dating): void {
    statements().forgetGaps.run()
    statements().forgetExpiries.run()
    statements().begin.run(boot, bootedAt, monotonicAt)
  }

  function correct(row: Row, dating: Dating): void {
    const by = dating.bootedAt - row.booted_at
    const byMonotonic = dating.monotonicAt - row.monotonic_at
    const isStep = Math.abs(by) > stepMs
    // In a container the time since boot may be its own. If the two clocks disagree, the machine was suspended.
    if (isStep && Math.abs(by - byMonotonic) <= stepMs) {
      const { after_id: after, heartbeat } = row
      statements().shiftTransitions.run({ by, after })
      statements().shiftEnds.run({ by })
      statements().shiftStarts.run({ by })
      statements().shiftDated.run({ by })
      statements().shiftExpiries.run({ by })
      statements().shiftComplete.run({ by, after })
      if (heartbeat === 1) statements().shiftAlive.run({ by })
    }
    // Small differences add up to a step, so their reference stays.
    if (isStep || Math.abs(byMonotonic) > stepMs)
      statements().follow.run(isStep ? dating.bootedAt : row.booted_at, dating.monotonicAt)
  }

  return {
    redate(dating) {
      const row = statements().dating.get() as Row | undefined
      const isRead = Number.isFinite(row?.booted_at) && Number.isFinite(row?.monotonic_at)
      if (isRead && row?.boot === dating.boot) correct(row, dating)
      else begin(dating)
    },
    recordGap: (from, ownEnds) => void statements().recordGap.run(from, ownEnds === 'both' ? 1 : 0),
    recordExpiry: (name) => void statements().recordExpiry.run(name),
    forgetExpiry: (name) => void statements().forgetExpiry.run(name),
    recordHeartbeat: () => void statements().recordHeartbeat.run(),
  }
}

function prepare(db: DatabaseSync) {
  db.exec(`
    CREATE TABLE IF NOT EXISTS dating (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      boot TEXT NOT NULL,
      booted_at REAL NOT NULL,
      monotonic_at REAL NOT NULL,
      after_id INTEGER NOT NULL,
      beat INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS dated_absences ("from" REAL PRIMARY KEY, both INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS dated_expiries (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`)
  return {
    dating: db.prepare(
      'SELECT boot, booted_at, monotonic_at, CAST(after_id AS REAL) AS after_id, CAST(beat AS REAL) AS beat FROM dating',
    ),
    begin: db.prepare(`
      INSERT OR REPLACE INTO dating
      SELECT 1, ?, ?, ?, CASE
        WHEN alive_at IS NULL AND NOT EXISTS (SELECT 1 FROM transitions) THEN -1
        ELSE max(complete_after_id, coalesce((SELECT max(id) FROM transitions), 0))
      END, 0 FROM meta`),
    follow: db.prepare('UPDATE dating SET booted_at = ?, monotonic_at = ?'),
    recordHeartbeat: db.prepare('UPDATE dating SET beat = 1 WHERE beat = 0'),
    recordGap: db.prepare('INSERT OR REPLACE INTO dated_absences VALUES (?, ?)'),
    recordExpiry: db.prepare('INSERT OR IGNORE INTO dated_expiries VALUES (?)'),
    forgetExpiry: db.prepare('DELETE FROM dated_expiries WHERE name = ?'),
    forgetExpiries: db.prepare('DELETE FROM dated_expiries'),
    shiftExpiries: db.prepare(
      'UPDATE registrations SET expired_at = expired_at + :by WHERE expired_at IS NOT NULL AND name IN (SELECT name FROM dated_expiries)',
    ),
    forgetGaps: db.prepare('DELETE FROM dated_absences'),
    shiftTransitions: db.prepare('UPDATE transitions SET at = at + :by WHERE id > :after'),
    shiftEnds: db.prepare('UPDATE absences SET "to" = "to" + :by WHERE "from" IN (SELECT "from" FROM dated_absences)'),
    // A gap that begins at the same time as another replaces it, as when a gap is added.
    shiftStarts: db.prepare(`
      UPDATE OR REPLACE absences SET "from" = "from" + :by
      WHERE "from" IN (SELECT "from" FROM dated_absences WHERE both = 1)`),
    shiftDated: db.prepare('UPDATE OR REPLACE dated_absences SET "from" = "from" + :by WHERE both = 1'),
    shiftComplete: db.prepare(
      'UPDATE meta SET complete_after_at = complete_after_at + :by WHERE complete_after_id > :after',
    ),
    shiftAlive: db.prepare('UPDATE meta SET alive_at = alive_at + :by WHERE alive_at IS NOT NULL'),
  }
}
