import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { type Migration, migrate, migrations, schemaVersion, versionOf } from '../../../src/store/sqlite/schema.ts'
import { createStatements } from '../../../src/store/sqlite/statements.ts'

const add =
  (table: string): Migration =>
  (db) =>
    db.exec(`CREATE TABLE ${table} (a)`)

const tablesOf = (db: DatabaseSync) =>
  db
    .prepare('SELECT name FROM sqlite_schema ORDER BY name')
    .all()
    .map(({ name }) => name)

test('runs each migration once, in order', () => {
  const db = new DatabaseSync(':memory:')
  migrate(db, 0, [add('a')])
  migrate(db, 0, [add('a'), add('b'), add('c')])
  migrate(db, 0, [add('a'), add('b'), add('c')])
  assert.deepEqual(tablesOf(db), ['a', 'b', 'c'])
  assert.equal(versionOf(db), 3)
})

test('runs a migration completely or not at all', () => {
  const db = new DatabaseSync(':memory:')
  const broken: Migration = (db) => db.exec('CREATE TABLE b (a); CREATE TABLE a (a)')
  assert.throws(() => migrate(db, 0, [add('a'), broken]), /already exists/)
  assert.deepEqual(tablesOf(db), ['a'])
  assert.equal(versionOf(db), 1)
  migrate(db, 0, [add('a'), add('b')])
  assert.deepEqual(tablesOf(db), ['a', 'b'])
})

test('does not change a file of a newer version', () => {
  const db = new DatabaseSync(':memory:')
  db.exec(`PRAGMA user_version = ${schemaVersion + 1}`)
  migrate(db, 0)
  assert.deepEqual(tablesOf(db), [])
  assert.equal(versionOf(db), schemaVersion + 1)
})

test('a file of the first version keeps its data, with no registration expired', () => {
  const db = new DatabaseSync(':memory:')
  migrate(db, 0, migrations.slice(0, 1))
  db.exec(`INSERT INTO registrations VALUES ('pg', '{}', 7); INSERT INTO drained VALUES ('pg')`)
  migrate(db, 0)
  assert.equal(versionOf(db), schemaVersion)
  const perform = createStatements(db, { maxCount: 10, maxAgeMs: 1000 })
  const loaded = perform({ kind: 'load' })
  assert.ok(loaded !== null && 'drained' in loaded)
  assert.deepEqual(loaded.registrations, [{ name: 'pg', definition: '{}', revision: 7 }])
  perform({ kind: 'setDrained', name: 'a', drained: true, now: 5 })
  const later = perform({ kind: 'load' })
  assert.ok(later !== null && 'drained' in later)
  assert.deepEqual(later.drained, ['pg', 'a'])
})
