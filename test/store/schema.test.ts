import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { type Migration, migrate, schemaVersion, versionOf } from '../../src/store/schema.ts'

const add =
  (table: string): Migration =>
  (db) =>
    db.exec(`CREATE TABLE ${table} (a)`)

const tablesOf = (db: DatabaseSync) =>
  db
    .prepare('SELECT name FROM sqlite_schema ORDER BY name')
    .all()
    .map(({ name }) => name)

test('takes each step once, in order', () => {
  const db = new DatabaseSync(':memory:')
  migrate(db, 0, [add('a')])
  migrate(db, 0, [add('a'), add('b'), add('c')])
  migrate(db, 0, [add('a'), add('b'), add('c')])
  assert.deepEqual(tablesOf(db), ['a', 'b', 'c'])
  assert.equal(versionOf(db), 3)
})

test('takes a step whole or not at all', () => {
  const db = new DatabaseSync(':memory:')
  const broken: Migration = (db) => db.exec('CREATE TABLE b (a); CREATE TABLE a (a)')
  assert.throws(() => migrate(db, 0, [add('a'), broken]), /already exists/)
  assert.deepEqual(tablesOf(db), ['a'])
  assert.equal(versionOf(db), 1)
  migrate(db, 0, [add('a'), add('b')])
  assert.deepEqual(tablesOf(db), ['a', 'b'])
})

test('leaves what is newer as it is', () => {
  const db = new DatabaseSync(':memory:')
  db.exec(`PRAGMA user_version = ${schemaVersion + 1}`)
  migrate(db, 0)
  assert.deepEqual(tablesOf(db), [])
  assert.equal(versionOf(db), schemaVersion + 1)
})
