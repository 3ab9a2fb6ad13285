import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteStore } from '../../../src/store/sqlite/sqlite.ts'
import { type StoreSettings, sampleTransition, testStore, unwrap } from '../contract.ts'

const defaults: StoreSettings = { retention: { maxCount: 100, maxAgeMs: 3_600_000 }, now: Date.now }

async function open(t: TestContext, settings: StoreSettings = defaults) {
  const folder = await mkdtemp(join(tmpdir(), 'porthole-test-'))
  const directory = join(folder, 'data')
  const openAgain = async () => unwrap(await openSqliteStore({ directory, ...settings }))
  let store = await openAgain()
  t.after(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  return {
    directory,
    store,
    async reopen() {
      await store.close()
      store = await openAgain()
      return store
    },
  }
}

testStore('sqlite', open)

test('sqlite: creates its directory and its file for its own user only', async (t) => {
  const { directory } = await open(t)
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
  assert.equal(await modeOf(directory), '700')
  assert.equal(await modeOf(join(directory, 'porthole.db')), '600')
  assert.equal(await modeOf(join(directory, 'porthole.db-wal')), '600')
})

test('sqlite: commits operations that come together in one transaction', async (t) => {
  const { directory, store } = await open(t)
  const sizeOfLog = async () => (await stat(join(directory, 'porthole.db-wal'))).size
  const before = await sizeOfLog()
  const puts = await Promise.all(Array.from({ length: 200 }, (_, i) => store.put(`s${i}`, '{}', {})))
  for (const put of puts) unwrap(put)
  // Each commit writes the pages that it changed, and every put changes two pages at least.
  assert.ok((await sizeOfLog()) - before < 100 * 4096)
})

test('sqlite: returns more transitions than one message holds, and runs other operations in between', async (t) => {
  const { store } = await open(t, { ...defaults, retention: { maxCount: 100_000, maxAgeMs: 1e12 } })
  const from = Date.now() * 1000
  const transitions = Array.from({ length: 12_345 }, (_, i) => sampleTransition(from + i))
  unwrap(await store.append(transitions, false))
  const order: string[] = []
  const loading = store.load().finally(() => order.push('load'))
  // The first message of the load is under way, so this goes with the next one.
  await store.put('pg', '{}', {}).finally(() => order.push('put'))
  assert.deepEqual(unwrap(await loading).transitions, transitions)
  assert.deepEqual(order, ['put', 'load'])
})

test('sqlite: runs the operations from before its close, and none after it', async (t) => {
  const { store, reopen } = await open(t)
  const puts = Array.from({ length: 50 }, (_, i) => store.put(`s${i}`, '{}', {}))
  const closed = store.close()
  const late = await store.put('late', '{}', {})
  assert.match(late.ok ? '' : late.failure, /porthole\.db is closed$/)
  for (const put of await Promise.all(puts)) unwrap(put)
  await closed
  await store.close()
  assert.equal(unwrap(await (await reopen()).load()).registrations.length, 50)
})

test('sqlite: leaves only its file once it is closed', async (t) => {
  const { directory, store } = await open(t)
  unwrap(await store.put('pg', '{}', {}))
  await store.close()
  await assert.rejects(stat(join(directory, 'porthole.db-wal')), { code: 'ENOENT' })
  await assert.rejects(stat(join(directory, 'porthole.db-shm')), { code: 'ENOENT' })
})

test('sqlite: answers all callers when its thread dies of a bug, and stores no change that it did not confirm', async (t) => {
  const { store, reopen } = await open(t)
  unwrap(await store.put('pg', '{}', {}))
  const answers = await Promise.all([
    store.put('with-it', '{}', {}),
    // SQLite takes no object, which is a bug of the caller.
    store.put('bug', {} as string, {}),
    store.heartbeat(1),
  ])
  for (const answer of [...answers, await store.load()])
    assert.match(
      answer.ok ? '' : answer.failure,
      /the thread that keeps .*porthole\.db failed \(TypeError.*: start Porthole again/,
    )
  const { registrations } = unwrap(await (await reopen()).load())
  assert.deepEqual(
    registrations.map(({ name }) => name),
    ['pg'],
  )
})
