import type { DatabaseSync } from 'node:sqlite'
import { conditionHolds } from './condition.ts'
import type { Absence, Condition, Kept, KeptTransition, Put, Registration, Removed, Retention } from './store.ts'

/** What a store is asked. `now` is milliseconds since the epoch, of when it was asked. */
export type Operation =
  | { readonly kind: 'load'; readonly now: number }
  | { readonly kind: 'put'; readonly name: string; readonly definition: string; readonly condition: Condition; readonly now: number }
  | { readonly kind: 'remove'; readonly name: string; readonly condition: Condition }
  | { readonly kind: 'setDrained'; readonly name: string; readonly drained: boolean }
  | { readonly kind: 'append'; readonly transitions: readonly KeptTransition[]; readonly missing: boolean }
  | { readonly kind: 'beat'; readonly now: number }

/** What an open database is asked, within a transaction if it may be changed by it. */
export type Statements = {
  perform(operation: Operation): Kept | Put | Removed | null
  /** Notes that no Porthole was running from the last beat until then. */
  noteAbsence(until: number): void
  /** Everything, and the absence until then where it could not be noted. */
  read(until: number): Kept
}

type Meta = {
  readonly last_revision: number
  readonly alive_at: number | null
  readonly complete_after_id: number
  readonly complete_after_at: number
}

export function createStatements(db: DatabaseSync, { maxCount, maxAgeMs }: Retention): Statements {
  const sql = {
    meta: db.prepare('SELECT * FROM meta'),
    setRevision: db.prepare('UPDATE meta SET last_revision = ?'),
    setAlive: db.prepare('UPDATE meta SET alive_at = ?'),
    completeAfter: db.prepare(
      'UPDATE meta SET complete_after_id = :id, complete_after_at = :at WHERE complete_after_id < :id',
    ),
    registration: db.prepare('SELECT name, definition, revision FROM registrations WHERE name = ?'),
    registrations: db.prepare('SELECT name, definition, revision FROM registrations'),
    put: db.prepare('INSERT OR REPLACE INTO registrations (name, definition, revision) VALUES (?, ?, ?)'),
    remove: db.prepare('DELETE FROM registrations WHERE name = ?'),
    drained: db.prepare('SELECT name FROM drained'),
    drain: db.prepare('INSERT INTO drained VALUES (?) ON CONFLICT DO NOTHING'),
    undrain: db.prepare('DELETE FROM drained WHERE name = ?'),
    transitions: db.prepare('SELECT * FROM transitions ORDER BY id'),
    append: db.prepare(
      'INSERT INTO transitions VALUES (:id, :service, :target, :from, :to, :at, :reason, :message) ON CONFLICT DO NOTHING',
    ),
    // Both find the newest that is to be forgotten. Ids say which is older: times do not where the wall clock was set back.
    tooMany: db.prepare('SELECT id, at FROM transitions ORDER BY id DESC LIMIT 1 OFFSET ?'),
    tooOld: db.prepare(`
      SELECT id, at FROM transitions
      WHERE id < coalesce((SELECT id FROM transitions WHERE at >= ? ORDER BY id LIMIT 1), 9e18)
      ORDER BY id DESC LIMIT 1`),
    forget: db.prepare('DELETE FROM transitions WHERE id <= ?'),
    absences: db.prepare('SELECT * FROM absences ORDER BY "from"'),
    addAbsence: db.prepare('INSERT INTO absences VALUES (?, ?)'),
    forgetAbsences: db.prepare('DELETE FROM absences WHERE "to" < ?'),
  }
  /** How many were appended since they were counted. To find out how many there are, all are passed by: not at every append. */
  let uncounted = Number.POSITIVE_INFINITY

  const meta = () => sql.meta.get() as Meta
  const find = (name: string) => sql.registration.get(name) as Registration | undefined

  function put({ name, definition, condition, now }: Operation & { kind: 'put' }): Put {
    const old = find(name)
    if (!conditionHolds(condition, old?.revision ?? null)) return { done: false, revision: old?.revision ?? null }
    if (old?.definition === definition) return { done: true, registration: old, created: false }
    const revision = Math.max(meta().last_revision + 1, Math.floor(now))
    sql.setRevision.run(revision)
    sql.put.run(name, definition, revision)
    return { done: true, registration: { name, definition, revision }, created: old === undefined }
  }

  function remove({ name, condition }: Operation & { kind: 'remove' }): Removed {
    const old = find(name)
    if (old === undefined || !conditionHolds(condition, old.revision))
      return { done: false, revision: old?.revision ?? null }
    sql.remove.run(name)
    sql.undrain.run(name)
    return { done: true }
  }

  function append({ transitions, missing }: Operation & { kind: 'append' }): void {
    const [first] = transitions
    if (first === undefined) return
    if (missing) sql.completeAfter.run({ id: first.id - 1, at: first.at })
    for (const { id, service, target, from, to, at, reason, message } of transitions)
      sql.append.run({ id, service, target, from, to, at, reason, message })
    uncounted += transitions.length
    forget(sql.tooOld.get(Math.max(...transitions.map(({ at }) => at)) - maxAgeMs))
    if (uncounted > maxCount / 10) forgetTooMany()
  }

  function forgetTooMany(): void {
    forget(sql.tooMany.get(maxCount))
    uncounted = 0
  }

  function forget(newest: Record<string, unknown> | undefined): void {
    if (newest === undefined) return
    const { id, at } = newest as { id: number; at: number }
    sql.forget.run(id)
    sql.completeAfter.run({ id, at })
  }

  function beat(now: number): void {
    sql.setAlive.run(now)
    forget(sql.tooOld.get(now - maxAgeMs))
    sql.forgetAbsences.run(now - maxAgeMs)
  }

  function read(until: number): Kept {
    const { alive_at: aliveAt, complete_after_id: id, complete_after_at: at } = meta()
    const absences = sql.absences.all() as Absence[]
    return {
      registrations: sql.registrations.all() as Registration[],
      drained: sql.drained.all().map(({ name }) => String(name)),
      transitions: sql.transitions.all() as KeptTransition[],
      completeAfter: { id, at },
      absences: aliveAt !== null && aliveAt < until ? [...absences, { from: aliveAt, to: until }] : absences,
    }
  }

  return {
    perform(operation) {
      switch (operation.kind) {
        case 'load':
          beat(operation.now)
          forgetTooMany()
          return read(operation.now)
        case 'put':
          return put(operation)
        case 'remove':
          return remove(operation)
        case 'setDrained':
          sql[operation.drained ? 'drain' : 'undrain'].run(operation.name)
          return null
        case 'append':
          append(operation)
          return null
        case 'beat':
          beat(operation.now)
          return null
      }
    },
    noteAbsence(until) {
      const { alive_at: aliveAt } = meta()
      if (aliveAt !== null && aliveAt < until) sql.addAbsence.run(aliveAt, until)
      sql.setAlive.run(until)
    },
    read,
  }
}
