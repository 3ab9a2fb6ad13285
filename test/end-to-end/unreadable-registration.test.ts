/** A registration in the store that Porthole cannot read, as clients and Prometheus see it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { keysOf } from '../../src/redis/keys.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite.ts'
import { createFolder, start, until } from '../support/process.ts'
import { noRedis, startRedis } from '../support/redis-server.ts'

const PORTHOLE_TOKEN = 'a-token-of-the-tests'
type Started = Awaited<ReturnType<typeof start>>

async function open(t: TestContext, config: object): Promise<Started> {
  const file = join(createFolder(t), 'porthole.json')
  writeFileSync(file, JSON.stringify({ shutdownDelay: '0s', ...config }))
  const porthole = await start(t, ['--config', file], { PORTHOLE_TOKEN })
  await until('the registry is known', async () => (await porthole.metric('porthole_registry_known'))[''] === 1)
  return porthole
}

/** Each store has a registration of `odd` that cannot be read. */
const stores: Record<string, { skip: string | false; config: (t: TestContext) => Promise<object>; cause: RegExp }> = {
  'the data file': {
    skip: false,
    async config(t) {
      const data = createFolder(t)
      const opened = await openSqliteStore({ directory: data, retention: { maxCount: 9, maxAgeMs: 1e12 } })
      assert.ok(opened.ok)
      await opened.value.close()
      const db = new DatabaseSync(join(data, 'porthole.db'))
      db.exec(`INSERT INTO registrations VALUES ('odd', 'roses are red', 5, NULL)`)
      db.close()
      return { data }
    },
    cause: /it is not JSON/,
  },
  Redis: {
    skip: noRedis,
    async config(t) {
      const redis = await startRedis(t)
      const connection = await redis.connect()
      await connection.send(['HSET', keysOf('default').registrations, 'odd', 'roses are red'])
      return { replicas: { redis: redis.url } }
    },
    cause: /it does not begin with a revision/,
  },
}

for (const [name, { skip, config, cause }] of Object.entries(stores)) {
  test(`${name}: a registration that cannot be read is 503 with the cause, and only If-Match: * replaces it`, {
    skip,
  }, async (t) => {
    const porthole = await open(t, await config(t))
    const change = (method: string, headers: Record<string, string> = {}) =>
      fetch(`${porthole.url}/v1/services/odd`, {
        method,
        headers: {
          authorization: `Bearer ${PORTHOLE_TOKEN}`,
          ...(method === 'PUT' && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(method === 'PUT' && { body: '{"targets":["127.0.0.1:1"]}' }),
      })
    const count = async () => (await porthole.metric('porthole_store_unreadable_entries'))['']

    for (const path of ['/health/odd', '/v1/services/odd']) {
      const answer = await fetch(porthole.url + path)
      assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5'], path)
      assert.match(((await answer.json()) as { detail: string }).detail, cause)
      assert.equal((await fetch(porthole.url + path, { method: 'HEAD' })).status, 503)
    }
    const discovered = await fetch(`${porthole.url}/v1/sd`)
    assert.deepEqual([discovered.status, await discovered.json()], [200, []])
    assert.equal((await fetch(`${porthole.url}/health/other`)).status, 404)
    assert.equal(await count(), 1)
    const { place } = (await porthole.logged(/cannot be read/)) as unknown as { place: string }
    assert.match(place, /odd/)

    const statuses = []
    for (const [method, headers] of [
      ['PUT', {}],
      ['PUT', { 'if-none-match': '*' }],
      ['DELETE', {}],
    ] as const)
      statuses.push((await change(method, headers)).status)
    assert.deepEqual(statuses, [409, 412, 409])
    assert.equal(await count(), 1)

    const replaced = await change('PUT', { 'if-match': '*' })
    assert.equal(replaced.status, 200, await replaced.text())
    assert.equal((await fetch(`${porthole.url}/v1/services/odd`)).status, 200)
    assert.equal(await count(), 0)
    assert.equal((await change('DELETE')).status, 204)
  })
}

test('an entry of Redis that an operator repairs is read again without a restart', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t)
  const connection = await redis.connect()
  const { registrations } = keysOf('default')
  await connection.send(['HSET', registrations, 'odd', '5 {'])
  const porthole = await open(t, { replicas: { redis: redis.url } })
  assert.equal((await fetch(`${porthole.url}/v1/services/odd`)).status, 503)
  await connection.send(['HSET', registrations, 'odd', '6 {"targets":["127.0.0.1:1"]}'])
  await until('it is there', async () => (await fetch(`${porthole.url}/v1/services/odd`)).status === 200)
  assert.equal((await porthole.metric('porthole_store_unreadable_entries'))[''], 0)
})
