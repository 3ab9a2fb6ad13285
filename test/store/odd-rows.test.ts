/** Another program wrote to the data file while no Porthole ran. Porthole leaves its rows out and does not change them. All other data is there. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { openSqliteStore } from '../../src/store/sqlite/sqlite.ts'
import { createFolder } from '../support/process.ts'
import { revisionOf, sampleTransition, unwrap } from './contract.ts'

const epoch = Date.parse('2026-11-22T15:00:00.000Z')
const definition = '{"targets":["pg:5432"]}'
const open = (directory: string) =>
  openSqliteStore({ directory, retention: { maxCount: 100, maxAgeMs: 1e12 }, now: () => epoch })

async function fill(t: TestContext) {
  const directory = createFolder(t)
  const store = unwrap(await open(directory))
  unwrap(await store.put('pg', definition, {}))
  unwrap(await store.setDrained('pg', true))
  unwrap(await store.append([sampleTransition(epoch * 1000 + 1)], false))
  unwrap(await store.addGap({ from: epoch, to: epoch + 1 }))
  unwrap(await store.heartbeat(epoch + 2))
  await store.close()
  const write = (sql: string) => {
    const db = new DatabaseSync(join(directory, 'porthole.db'))
    try {
      db.exec(sql)
    } finally {
      db.close()
    }
  }
  return { directory, write }
}

/** Statements, each with the number of unreadable entries that it makes. */
const odd: Record<string, [sql: string, unreadable: number]> = {
  'a name that no service can have': [`INSERT INTO registrations VALUES (' x', '${definition}', 5, NULL)`, 1],
  'a revision above 2^53': [`INSERT INTO registrations VALUES ('mq', '${definition}', 9007199254740993, NULL)`, 1],
  'a negative revision': [`INSERT INTO registrations VALUES ('mq', '${definition}', -5, NULL)`, 1],
  'a time of expiry that is infinite': [`INSERT INTO registrations VALUES ('mq', '${definition}', 5, 9e999)`, 1],
  'a drain without a name': [`INSERT INTO drained VALUES ('', 0)`, 1],
  'a transition without a service': [
    `INSERT INTO transitions VALUES (${epoch}005, '', NULL, 'up', 'down', ${epoch}, NULL, '')`,
    1,
  ],
  'a transition with an invalid target': [
    `INSERT INTO transitions VALUES (${epoch}005, 'pg', 'pg', 'up', 'down', ${epoch}, NULL, '')`,
    1,
  ],
  'invalid ids': [
    `INSERT INTO transitions VALUES (-5, 'pg', NULL, 'up', 'down', 5, NULL, ''), (9223372036854775807, 'pg', NULL, 'up', 'down', 5, NULL, '')`,
    2,
  ],
  'a gap that ends before it begins': [`INSERT INTO absences VALUES (${epoch + 9}, ${epoch + 5})`, 1],
  'a gap without an end': ['INSERT INTO absences VALUES (9, 9e999)', 1],
  'invalid numbers in meta': [
    'UPDATE meta SET last_revision = 9223372036854775807, alive_at = -9e999, complete_after_at = 9e999, forgotten_id = -1',
    4,
  ],
  'no row in meta': ['DELETE FROM meta', 1],
  'an invalid dating': [
    `CREATE TABLE dating (only INTEGER PRIMARY KEY CHECK (only = 1), boot TEXT NOT NULL, booted_at REAL NOT NULL, monotonic_at REAL NOT NULL, after_id INTEGER NOT NULL, beat INTEGER NOT NULL) STRICT;
     INSERT INTO dating VALUES (1, 'x', 9e999, -9e999, 9223372036854775807, 9223372036854775807)`,
    0,
  ],
}

for (const [what, [sql, count]] of Object.entries(odd)) {
  test(`${what}: Porthole leaves it out, counts it, and changes no other data`, async (t) => {
    const { directory, write } = await fill(t)
    write(sql)
    const opened = await openSqliteStore({
      directory,
      retention: { maxCount: 100, maxAgeMs: 1e12 },
      now: () => epoch,
      dating: { boot: 'x', bootedAt: epoch, monotonicAt: 0 },
    })
    const store = unwrap(opened)
    t.after(store.close)
    const { registrations, drained, transitions, unreadable = [] } = unwrap(await store.load())
    assert.deepEqual([registrations.map(({ name }) => name), drained], [['pg'], ['pg']])
    assert.deepEqual(
      transitions.map(({ id }) => id),
      [epoch * 1000 + 1],
    )
    assert.equal(unreadable.length, count, JSON.stringify(unreadable))
    // The store takes new data, with a revision that a client can name, and still has the odd row.
    const dating = { boot: 'x', bootedAt: epoch, monotonicAt: 0 }
    assert.ok(Number.isSafeInteger(revisionOf(await store.put('new', definition, {}))))
    unwrap(await store.append([sampleTransition(epoch * 1000 + 2)], false, dating))
    unwrap(await store.heartbeat(epoch + 3, dating))
    const again = unwrap(await store.load())
    assert.equal(
      again.unreadable?.filter(({ place }) => !place.startsWith('meta')).length ?? 0,
      count - metaOf(unreadable),
    )
    assert.equal(again.transitions.length, 2)
  })
}

const metaOf = (entries: readonly { place: string }[]) => entries.filter(({ place }) => place.startsWith('meta')).length

test('a transition with a word that only a newer version knows is not left out', async (t) => {
  const { directory, write } = await fill(t)
  write(`UPDATE transitions SET "to" = 'maintained', reason = 'haunted'`)
  const store = unwrap(await open(directory))
  t.after(store.close)
  const { transitions, unreadable = [] } = unwrap(await store.load())
  assert.deepEqual([transitions[0]?.to, transitions[0]?.reason, unreadable], ['unknown', 'other', []])
})

test('SQLite rejects values of another type, and missing values', async (t) => {
  const { write } = await fill(t)
  for (const sql of [
    `INSERT INTO registrations VALUES (NULL, '{}', 5, NULL)`,
    `INSERT INTO registrations VALUES ('mq', '{}', 'abc', NULL)`,
    `INSERT INTO registrations VALUES ('mq', NULL, 5, NULL)`,
    `INSERT INTO transitions VALUES (5, NULL, NULL, 'up', 'down', 5, NULL, '')`,
    `INSERT INTO transitions VALUES (5, 'pg', NULL, 'up', 'down', 'abc', NULL, '')`,
    `INSERT INTO absences VALUES (NULL, 5)`,
    `UPDATE meta SET last_revision = 'abc'`,
  ])
    assert.throws(() => write(sql), /NOT NULL|cannot store/, sql)
})

test('a store opens with any rows, and stores new data', async (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('', 'pg', 'x'.repeat(300), '{', '[]'),
  )
  const number = fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.constantFrom(0n, 1n, -1n))
  const real = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, 5, epoch))
  const row = fc.record({ text, other: text, number, real, end: real })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async (rows) => {
      const { directory } = await fill(t)
      const db = new DatabaseSync(join(directory, 'porthole.db'))
      for (const { text, other, number, real, end } of rows) {
        const bound = { text, other, number, real, end }
        const run = (sql: string, ...names: (keyof typeof bound)[]) =>
          db.prepare(`INSERT OR IGNORE INTO ${sql}`).run(...names.map((name) => bound[name]))
        run('registrations VALUES (?, ?, ?, ?)', 'text', 'other', 'number', 'real')
        run('drained VALUES (?, ?)', 'text', 'real')
        run(
          'transitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
          'number',
          'text',
          'other',
          'other',
          'text',
          'real',
          'text',
          'other',
        )
        run('absences VALUES (?, ?)', 'real', 'end')
      }
      db.close()
      const store = unwrap(await open(directory))
      const kept = unwrap(await store.load())
      assert.ok(kept.registrations.some(({ name, definition: text }) => name === 'pg' && text === definition))
      assert.ok(kept.transitions.every(({ id, at }) => Number.isSafeInteger(id) && Number.isFinite(at)))
      unwrap(await store.put('new', definition, {}))
      unwrap(await store.heartbeat(epoch + 3))
      await store.close()
    }),
    // Interrupting a run would leave its store open, and the store's thread would keep this process alive.
    { numRuns: 10 },
  )
})
