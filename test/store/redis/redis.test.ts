import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { keysOf } from '../../../src/redis/keys.ts'
import { createRedisStore } from '../../../src/store/redis/redis.ts'
import { mergeScript } from '../../../src/store/redis/scripts.ts'
import type { StoredTransition } from '../../../src/store/store.ts'
import { fileScope } from '../../support/process.ts'
import { noRedis, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { revisionOf, type StoreSettings, sampleTransition, testStore, unwrap } from '../contract.ts'

const file = fileScope()
let starting: Promise<RedisServer> | undefined
let namespaces = 0

/** Creates a store in a namespace of its own. All tests here share one server. */
async function open(t: TestContext, { retention, now }: Pick<StoreSettings, 'retention'> & Partial<StoreSettings>) {
  starting ??= startRedis(file)
  const server = await starting
  const keys = keysOf(`test-${++namespaces}`)
  async function openAgain() {
    const { run, send, close } = await server.connect()
    t.after(close)
    return createRedisStore({ run, send, keys, retention, ...(now === undefined ? {} : { now }) })
  }
  return { keys, store: await openAgain(), reopen: openAgain, connection: await server.connect() }
}

testStore('redis', open, noRedis)

const retention = { maxCount: 100, maxAgeMs: 3_600_000 }

test('redis: all keys carry one hash tag, so that a cluster has them in one slot', { skip: noRedis }, async (t) => {
  const { keys, store, connection } = await open(t, { retention })
  revisionOf(await store.put('a {b} c', '{}', {}))
  unwrap(await store.setDrained('pg', true))
  const found = await connection.send(['KEYS', '*'])
  assert.ok(found.ok)
  const own = (found.value as string[]).filter((key) => key.startsWith(keys.meta.replace('meta', '')))
  assert.ok(own.length >= 4, own.join())
  for (const key of [...own, keys.health('a {b} c')])
    assert.equal(/\{(.*?)\}/.exec(key)?.[1], `porthole:test-${namespaces}`, key)
})

test("redis: revisions come from Redis's clock, so that they grow regardless of the clocks of the replicas", {
  skip: noRedis,
}, async (t) => {
  const { store } = await open(t, { retention })
  const revision = revisionOf(await store.put('pg', '{}', {}))
  assert.ok(Math.abs(revision - Date.now()) < 300_000)
})

test('redis: a registration that was registered again at another replica does not expire', {
  skip: noRedis,
}, async (t) => {
  let now = 1_000_000
  const { store, reopen } = await open(t, { retention, now: () => now })
  const other = await reopen()
  const revision = revisionOf(await store.put('pg', '{}', {}, 10_000))
  now += 8000
  revisionOf(await other.put('pg', '{}', {}, 10_000))
  now += 8000
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'deregister')), { done: false, revision })
  now += 2001
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'deregister')), { done: true })
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'deregister')), { done: false, revision: null })
})

test('redis: a registration that was registered again without a ttl does not expire either', {
  skip: noRedis,
}, async (t) => {
  const { store } = await open(t, { retention })
  revisionOf(await store.put('pg', '{"ttl":"1s"}', {}, 1000))
  const revision = revisionOf(await store.put('pg', '{}', {}))
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'deregister')), { done: false, revision })
})

test('redis: an expired registration that an older replica registers again or deletes is not expired any more', {
  skip: noRedis,
}, async (t) => {
  let now = 1_000_000
  const { store, keys, connection } = await open(t, { retention, now: () => now })
  const { expiries, expired, registrations } = keys
  const marks = async () => {
    const found = unwrap(await store.load()).registrations.map(({ expiredAt }) => expiredAt)
    const reply = await connection.send(['HGETALL', expired])
    assert.ok(reply.ok)
    return [found, reply.value]
  }
  const revision = revisionOf(await store.put('pg', '{}', {}, 10_000))
  now += 10_000
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'expire')), { done: true })
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'expire')), { done: false, revision })
  assert.deepEqual(await marks(), [[now], ['pg', `${now}`]])
  // An older replica sets the time to live again, and does not know the mark.
  await connection.send(['HSET', expiries, 'pg', `${now + 10_000}`])
  assert.deepEqual(await marks(), [[undefined], []])

  now += 10_000
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'expire')), { done: true })
  await connection.send(['HDEL', registrations, 'pg'])
  await connection.send(['HDEL', expiries, 'pg'])
  assert.deepEqual(await marks(), [[], []])
  unwrap(await store.put('pg', '{}', {}, 10_000))
  assert.deepEqual(await marks(), [[undefined], []])
})

test('redis: a registration that was registered again at another replica is not marked as expired', {
  skip: noRedis,
}, async (t) => {
  let now = 1_000_000
  const { store, reopen } = await open(t, { retention, now: () => now })
  const other = await reopen()
  const revision = revisionOf(await store.put('pg', '{}', {}, 10_000))
  now += 8000
  revisionOf(await other.put('pg', '{}', {}, 10_000))
  now += 8000
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'expire')), { done: false, revision })
  now += 2000
  assert.deepEqual(unwrap(await store.expire('pg', revision, 'expire')), { done: true })
})

test('redis: a store that lost everything gets the expired registrations back, and a replacement ends the expiry', {
  skip: noRedis,
}, async (t) => {
  const now = 1_000_000
  const { store, keys, connection } = await open(t, { retention, now: () => now })
  const { meta, stream, registrations, removed, expiries, drained, expired, health } = keys
  const merge = async (...row: (string | number)[]) => {
    const on = [meta, stream, registrations, removed, expiries, drained, expired, health('pg')]
    const answer = await connection.run(mergeScript, on, [now, ...row])
    assert.ok(answer.ok, JSON.stringify(answer))
    return unwrap(await store.load()).registrations.map(({ revision, expiredAt }) => [revision, expiredAt])
  }
  assert.deepEqual(await merge('put', 'pg', 10, '{"ttl":"1s"}', 'expired'), [[10, now]])
  const told = await connection.send(['XRANGE', stream, '-', '+'])
  assert.ok(told.ok)
  const kinds = (told.value as [string, string[]][]).map(([, [, kind]]) => kind)
  assert.deepEqual(kinds, ['put', 'expired'])
  assert.deepEqual(await merge('put', 'pg', 9, '{"ttl":"1s"}', 1000), [[10, now]])
  assert.deepEqual(await merge('put', 'pg', 11, '{}', ''), [[11, undefined]])
  assert.deepEqual(await merge('put', 'pg', 12, '{"ttl":"1s"}', 'expired'), [[12, now]])
  assert.deepEqual(await merge('removed', 'pg', 13, '', ''), [])
  assert.deepEqual(await merge('put', 'pg', 14, '{"ttl":"1s"}', 1000), [[14, undefined]])
})

test('redis: a backfill adds older transitions to the stored ones, each once', { skip: noRedis }, async (t) => {
  const { store } = await open(t, { retention })
  const now = Date.now() * 1000
  const [old, older, newer] = [-2000, -3000, 5].map((ago) => sampleTransition(now + ago)) as [
    StoredTransition,
    StoredTransition,
    StoredTransition,
  ]
  unwrap(await store.append([newer], false))
  unwrap(await store.seed([older, old]))
  unwrap(await store.seed([older, old, newer]))
  assert.deepEqual(unwrap(await store.load()).transitions, [older, old, newer])
  unwrap(await store.append([sampleTransition(now + 1)], false))
  assert.equal(unwrap(await store.load()).transitions.length, 3)
})

test('redis: of many clients that change the same version at different replicas only the first succeeds', {
  skip: noRedis,
}, async (t) => {
  const { store, reopen } = await open(t, { retention })
  const stores = [store, await reopen(), await reopen()]
  const revision = revisionOf(await store.put('pg', 'first', {}))
  const puts = await Promise.all(
    Array.from({ length: 30 }, (_, i) => stores[i % 3]?.put('pg', `${i}`, { ifMatch: [revision] }) ?? assert.fail()),
  )
  assert.equal(puts.filter((put) => unwrap(put).done).length, 1)
})
