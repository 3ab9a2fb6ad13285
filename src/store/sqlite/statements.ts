import type { DatabaseSync } from 'node:sqlite'
import type { Gap } from '../../domain/health/gap.ts'
import type { Step } from '../../domain/service/lifetime.ts'
import type { Dating } from '../../runtime/clock.ts'
import { conditionHolds } from '../condition.ts'
import type { Condition, OwnEnds, Put, Removed, Retention, StoredRegistration, StoredTransition } from '../store.ts'
import { createDatings } from './datings.ts'
import { type Loaded, type Row, readLoadedRows, readMeta, readRegistrationRow } from './rows.ts'

/** One operation of a store. `now` is the time of the request in milliseconds since the epoch. */
export type Operation =
  | { readonly kind: 'load' }
  | { readonly kind: 'loadTransitions'; readonly after: number; readonly limit: number }
  | {
      readonly kind: 'put'
      readonly name: string
      readonly definition: string
      readonly condition: Condition
      readonly now: number
    }
  | { readonly kind: 'remove'; readonly name: string; readonly condition: Condition }
  | {
      readonly kind: 'expire'
      readonly name: string
      readonly revision: number
      readonly step: Step
      readonly now: number
      readonly dating?: Dating | undefined
    }
  | { readonly kind: 'setDrained'; readonly name: string; readonly drained: boolean; readonly now: number }
  | {
      readonly kind: 'append'
      readonly transitions: readonly StoredTransition[]
      readonly missing: boolean
      readonly dating?: Dating | undefined
    }
  | {
      readonly kind: 'addGap'
      readonly gap: Gap
      readonly dating?: Dating | undefined
      readonly ownEnds: OwnEnds
    }
  | { readonly kind: 'heartbeat'; readonly now: number; readonly dating?: Dating | undefined }
  | { readonly kind: 'redate'; readonly dating: Dating }

/** A function that runs one operation, inside a transaction unless the operation only reads. Throws the errors of SQLite. */
export type Perform = (operation: Operation) => Loaded | Row[] | Put | Removed | null

/** Returns whether an operation changes nothing, so that it works with a read-only file. */
export const isReading = ({ kind }: Operation) => kind === 'load' || kind === 'loadTransitions'

/** Prepares the statements of an open database. */
export function createStatements(db: DatabaseSync, { maxCount, maxAgeMs }: Retention): Perform {
  const sql = prepare(db)
  /** The number of transitions that were appended since the last count. A count reads all rows, so it is not done at every append. */
  let uncounted = Number.POSITIVE_INFINITY

  const meta = () => readMeta(sql.meta.get())

  /** Returns the registration of a name. One that cannot be read has the revision 0, which no condition contains. */
  function find(name: string): StoredRegistration | undefined {
    const row = sql.registration.get(name)
    if (row === undefined) return undefined
    const read = readRegistrationRow(row)
    return typeof read === 'string' ? { name, definition: '', revision: 0 } : read
  }

  function load(): Loaded {
    return readLoadedRows({
      meta: sql.meta.get(),
      registrations: sql.registrations.all(),
      drained: sql.drained.all(),
      gaps: sql.gaps.all(),
    })
  }

  function put({ name, definition, condition, now }: Operation & { kind: 'put' }): Put {
    const old = find(name)
    if (!conditionHolds(condition, old?.revision ?? null, old?.expiredAt !== undefined))
      return { done: false, revision: old?.revision ?? null }
    const isNew = old === undefined || condition.ifNoneMatch !== undefined
    if (!isNew && old.definition === definition) {
      if (old.expiredAt !== undefined) sql.setExpired.run(null, name)
      return { done: true, registration: { name, definition, revision: old.revision }, change: 'none' }
    }
    const revision = Math.max(meta().lastRevision + 1, (old?.revision ?? 0) + 1, Math.floor(now))
    sql.setRevision.run(revision)
    sql.put.run(name, definition, revision)
    return {
      done: true,
      registration: { name, definition, revision },
      change: isNew ? 'created' : 'replaced',
    }
  }

  /** Applies a change to a registration, if it exists and the condition holds. */
  function change(name: string, condition: Condition, act: () => void): Removed {
    const old = find(name)
    if (old === undefined || !conditionHolds(condition, old.revision))
      return { done: false, revision: old?.revision ?? null }
    act()
    return { done: true }
  }

  function forgetRegistration(name: string): void {
    sql.remove.run(name)
    forgetExpiry(name)
  }

  function remove({ name, condition }: Operation & { kind: 'remove' }): Removed {
    return change(name, condition, () => {
      forgetRegistration(name)
      sql.undrain.run(name)
    })
  }

  function expire({ name, revision, step, now, dating }: Operation & { kind: 'expire' }): Removed {
    return change(name, { ifMatch: [revision] }, () => {
      if (step === 'deregister') {
        forgetRegistration(name)
        return
      }
      sql.setExpired.run(now, name)
      if (dating !== undefined) recordExpiry(name)
    })
  }

  function append({ transitions, missing }: Operation & { kind: 'append' }): void {
    const [first] = transitions
    if (first === undefined) return
    if (missing) sql.completeAfter.run({ id: first.id - 1, at: first.at })
    for (const { id, service, target, from, to, at, reason, message } of transitions)
      sql.append.run({ id, service, target, from, to, at, reason, message })
    uncounted += transitions.length
    if (uncounted <= maxCount / 10) return
    forget(sql.tooMany.get({ maxCount }))
    uncounted = 0
  }

  function heartbeat(now: number): void {
    const oldest = now - maxAgeMs
    sql.setAlive.run(now)
    forget(sql.tooOld.get({ oldest, forgotten: meta().forgottenId }))
    sql.completeAfterGaps.run(oldest)
    sql.forgetGaps.run(oldest)
  }

  /** Deletes this transition and all before it. */
  function forget(newest: Record<string, unknown> | undefined): void {
    if (newest === undefined) return
    const { id, at } = newest as { id: number; at: number }
    if (!(id > meta().forgottenId)) return
    sql.forget.run({ id })
    sql.setForgotten.run(id)
    sql.completeAfter.run({ id, at })
  }

  const { redate, recordGap, recordExpiry, forgetExpiry, recordHeartbeat } = createDatings(db)

  return (operation) => {
    if ('dating' in operation && operation.dating !== undefined) redate(operation.dating)
    switch (operation.kind) {
      case 'load':
        return load()
      case 'loadTransitions':
        return sql.transitions.all(operation.after, operation.limit)
      case 'put':
        return put(operation)
      case 'remove':
        return remove(operation)
      case 'expire':
        return expire(operation)
      case 'setDrained':
        if (operation.drained) sql.drain.run(operation.name, operation.now)
        else sql.undrain.run(operation.name)
        return null
      case 'append':
        append(operation)
        return null
      case 'addGap':
        sql.addGap.run(operation.gap.from, operation.gap.to)
        if (operation.dating !== undefined) recordGap(operation.gap.from, operation.ownEnds)
        return null
      case 'heartbeat':
        heartbeat(operation.now)
        if (operation.dating !== undefined) recordHeartbeat()
        return null
      case 'redate':
        return null
    }
  }
}

const registrations = 'SELECT name, definition, CAST(revision AS REAL) AS revision, expired_at FROM registrations'

function prepare(db: DatabaseSync) {
  return {
    // Whole numbers are read as REAL, because Node.js throws for one that is above 2^53.
    meta: db.prepare(`
      SELECT CAST(last_revision AS REAL) AS last_revision, alive_at, CAST(complete_after_id AS REAL) AS complete_after_id,
        complete_after_at, CAST(forgotten_id AS REAL) AS forgotten_id FROM meta`),
    setRevision: db.prepare('UPDATE meta SET last_revision = ?'),
    setAlive: db.prepare('UPDATE meta SET alive_at = ?'),
    setForgotten: db.prepare('UPDATE meta SET forgotten_id = ?'),
    completeAfter: db.prepare(
      'UPDATE meta SET complete_after_id = :id, complete_after_at = :at WHERE complete_after_id < :id',
    ),
    registration: db.prepare(`${registrations} WHERE name = ?`),
    registrations: db.prepare(registrations),
    put: db.prepare('INSERT OR REPLACE INTO registrations (name, definition, revision) VALUES (?, ?, ?)'),
    setExpired: db.prepare('UPDATE registrations SET expired_at = ? WHERE name = ?'),
    remove: db.prepare('DELETE FROM registrations WHERE name = ?'),
    drained: db.prepare('SELECT name FROM drained ORDER BY since'),
    drain: db.prepare('INSERT INTO drained VALUES (?, ?) ON CONFLICT DO NOTHING'),
    undrain: db.prepare('DELETE FROM drained WHERE name = ?'),
    transitions: db.prepare(`
      SELECT CAST(id AS REAL) AS id, service, target, "from", "to", at, reason, message
      FROM transitions WHERE id > ? ORDER BY transitions.id LIMIT ?`),
    append: db.prepare(
      'INSERT INTO transitions VALUES (:id, :service, :target, :from, :to, :at, :reason, :message) ON CONFLICT DO NOTHING',
    ),
    gaps: db.prepare('SELECT * FROM absences ORDER BY "from"'),
    addGap: db.prepare('INSERT OR REPLACE INTO absences VALUES (?, ?)'),
    completeAfterGaps: db.prepare(`
      UPDATE meta SET complete_after_at = past.until
      FROM (SELECT max("to") AS until FROM absences WHERE "to" < ?) AS past WHERE past.until > complete_after_at`),
    forgetGaps: db.prepare('DELETE FROM absences WHERE "to" < ?'),
    // Both find the newest transition to delete. Older ones are found by their ids, because the wall clock may have been set back.
    tooMany: db.prepare(
      'SELECT CAST(id AS REAL) AS id, at FROM transitions ORDER BY transitions.id DESC LIMIT 1 OFFSET :maxCount',
    ),
    tooOld: db.prepare(`
      SELECT CAST(id AS REAL) AS id, at FROM transitions
      WHERE id > :forgotten AND id < coalesce(
        (SELECT id FROM transitions WHERE id > :forgotten AND at >= :oldest ORDER BY id LIMIT 1), 9e18)
      ORDER BY transitions.id DESC LIMIT 1`),
    // The last transition of a service itself stays, because it tells the status since then. It goes too if it is to `unknown`, as after a
    // deregistration.
    forget: db.prepare(`
      DELETE FROM transitions AS old
      WHERE id <= :id AND (target IS NOT NULL OR "to" = 'unknown' OR EXISTS (
        SELECT 1 FROM transitions AS newer
        WHERE newer.service = old.service AND newer.target IS NULL AND newer.id > old.id))`),
  }
}
