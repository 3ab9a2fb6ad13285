/** Which updates of replicas the store accepts, and which it rejects. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Transition } from '../../../src/domain/health/transition.ts'
import { keysOf } from '../../../src/redis/keys.ts'
import type { RedisConnector } from '../../../src/replicas/redis-connector.ts'
import type { Update } from '../../../src/replicas/replication/publish-protocol.ts'
import { createRequests } from '../../../src/replicas/requests.ts'
import { createSharedClock } from '../../../src/replicas/shared-clock.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { createRedisStore } from '../../../src/store/redis/redis.ts'
import { unwrap } from '../../store/contract.ts'
import { fileScope } from '../../support/process.ts'
import { noRedis, type RedisServer, startRedis } from '../../support/redis-server.ts'

const skip = noRedis
const file = fileScope()
let starting: Promise<RedisServer> | undefined
let namespaces = 0
const retention = { maxCount: 100, maxAgeMs: 3_600_000 }
const offered = { digest: '-', loadedAt: 0 }
const shard = 7

/** Several replicas of one namespace. */
async function start(t: TestContext) {
  starting ??= startRedis(file)
  const server = await starting
  const keys = keysOf(`health-${++namespaces}`)
  async function replica(id: string) {
    const { run, send, close } = await server.connect()
    t.after(close)
    const redisConnector = { run, send } as RedisConnector
    const requests = createRequests({ id, redisConnector, keys, clock: createSharedClock(systemClock()), retention })
    let attempt = 0
    return {
      ...requests,
      store: createRedisStore({ run, send, keys, retention }),
      send,
      /** The token of the shard, once the replica holds it; null when it does not. */
      async hold(shards: readonly number[] = [shard]): Promise<number | null> {
        const given = await requests.renew({ attempt: ++attempt, isMember: true, shards, declined: [] }, offered)
        return given?.grant.tokens.get(shard) ?? null
      },
    }
  }
  return { keys, one: await replica('one'), other: await replica('other') }
}

const update = (fencingToken: number | null, base: number, snapshot: string, more: Partial<Update> = {}): Update => ({
  service: 'pg',
  shard,
  fencingToken,
  records: [{ field: 'pg:5432', base, snapshot }],
  gone: [],
  transitions: [],
  ...more,
})

const transition: Transition = {
  service: 'pg',
  target: null,
  from: 'up',
  to: 'down',
  at: 1000,
  reason: 'timeout',
  message: 'no "answer"\n',
}

test('the store accepts an update of the lease holder, and every replica can read it', { skip }, async (t) => {
  const { one, other } = await start(t)
  const fencingToken = await one.hold()
  assert(fencingToken !== null)
  const first = await one.publish([update(fencingToken, 0, '[1,"ü"]')])
  assert.deepEqual(first?.results, ['accepted'])
  const { version = 0 } = first ?? {}
  const second = await one.publish([
    update(fencingToken, version, '[2]', {
      records: [
        { field: 'pg:5432', base: version, snapshot: '[2]' },
        { field: '', base: 0, snapshot: '[3]' },
      ],
    }),
  ])
  assert.deepEqual(second?.results, ['accepted'])
  assert.ok((second?.version ?? 0) > version)
  const [kept] = (await other.readHealth(['pg', 'none'])) ?? []
  assert.deepEqual(Object.fromEntries(kept ?? []), {
    'pg:5432': { version: second?.version, snapshot: [2] },
    '': { version: second?.version, snapshot: [3] },
  })
})

test('the store rejects an update with an older token, and stores none of it', { skip }, async (t) => {
  const { one, other } = await start(t)
  const fencingToken = await one.hold()
  assert(fencingToken !== null)
  const { version = 0 } = (await one.publish([update(fencingToken, 0, '["first"]')])) ?? {}
  // The replica releases the shard, and its earlier update arrives late.
  await one.hold([])
  const newer = await other.hold()
  assert.ok(newer !== null && newer > fencingToken)
  const late = await one.publish([update(fencingToken, version, '["late"]', { transitions: [transition] })])
  assert.deepEqual(late?.results, ['fenced'])
  const [kept] = (await other.readHealth(['pg'])) ?? []
  assert.deepEqual(kept?.get('pg:5432'), { version, snapshot: ['first'] })
  assert.deepEqual(unwrap(await other.store.load()).transitions, [])
  assert.deepEqual((await other.publish([update(newer, version, '["next"]')]))?.results, ['accepted'])
})

test('the store rejects a token from before it lost its data, and the next token is larger', { skip }, async (t) => {
  const { keys, one, other } = await start(t)
  const fencingToken = await one.hold()
  assert(fencingToken !== null)
  // A restart of Redis takes longer than a millisecond.
  await sleep(2)
  await one.send(['DEL', keys.leases, keys.members, keys.meta, keys.stream])
  assert.deepEqual((await one.publish([update(fencingToken, 0, '["late"]')]))?.results, ['fenced'])
  const next = await other.hold()
  assert.ok(next !== null && next > fencingToken, `${next} after ${fencingToken}`)
})

test('of two concurrent outcomes the store accepts one', { skip }, async (t) => {
  const { one, other } = await start(t)
  const fencingToken = await one.hold()
  assert(fencingToken !== null)
  const { version = 0 } = (await one.publish([update(fencingToken, 0, '["first"]')])) ?? {}
  const raced = await Promise.all([
    one.publish([update(fencingToken, version, '["scheduled"]')]),
    other.publish([update(null, version, '["asked"]')]),
  ])
  assert.deepEqual(raced.map((published) => published?.results[0]).toSorted(), ['accepted', 'conflict'])
  // The same holds for the first outcomes of a target.
  const fresh = await Promise.all(
    [one, other, one].map((replica) =>
      replica.publish([update(null, 0, '["first"]', { records: [{ field: 'new:1', base: 0, snapshot: '[]' }] })]),
    ),
  )
  assert.deepEqual(fresh.map((published) => published?.results[0]).toSorted(), ['accepted', 'conflict', 'conflict'])
})

test('the store accepts an update as a whole or not at all, and other updates of the batch are not affected', {
  skip,
}, async (t) => {
  const { one } = await start(t)
  const fencingToken = await one.hold()
  assert(fencingToken !== null)
  const { version = 0 } = (await one.publish([update(fencingToken, 0, '[1]')])) ?? {}
  const records = [
    { field: 'pg:5432', base: version, snapshot: '[2]' },
    { field: 'pg:5433', base: 1, snapshot: '[2]' },
  ]
  const published = await one.publish([
    update(fencingToken, 0, '', { records, transitions: [transition] }),
    update(fencingToken, 0, '[9]', { service: 'mq' }),
  ])
  assert.deepEqual(published?.results, ['conflict', 'accepted'])
  const [pg, mq] = (await one.readHealth(['pg', 'mq'])) ?? []
  assert.deepEqual([...(pg?.keys() ?? [])], ['pg:5432'])
  assert.deepEqual(pg?.get('pg:5432')?.snapshot, [1])
  assert.deepEqual(mq?.get('pg:5432')?.snapshot, [9])
})

test('the health of removed targets is deleted', { skip }, async (t) => {
  const { one } = await start(t)
  const fencingToken = await one.hold()
  await one.publish([update(fencingToken, 0, '[1]')])
  await one.publish([update(fencingToken, 0, '', { records: [], gone: ['pg:5432', 'never'] })])
  const [kept] = (await one.readHealth(['pg'])) ?? []
  assert.equal(kept?.size, 0)
})

test('a service may have more targets than Lua takes arguments', { skip }, async (t) => {
  const { one } = await start(t)
  const fencingToken = await one.hold()
  const fields = Array.from({ length: 10_000 }, (_, i) => `10.0.0.1:${i}`)
  const records = fields.map((field) => ({ field, base: 0, snapshot: '[1]' }))
  assert.deepEqual((await one.publish([update(fencingToken, 0, '', { records })]))?.results, ['accepted'])
  assert.equal((await one.readHealth(['pg']))?.[0]?.size, 10_000)
  assert.deepEqual((await one.publish([update(fencingToken, 0, '', { records: [], gone: fields })]))?.results, [
    'accepted',
  ])
  assert.equal((await one.readHealth(['pg']))?.[0]?.size, 0)
})

test('the last transition of a removed service is stored once, whichever replicas report it', { skip }, async (t) => {
  const { one, other } = await start(t)
  const fencingToken = await one.hold()
  await one.publish([update(fencingToken, 0, '[1]', { transitions: [transition] })])
  const farewell: Transition = { ...transition, from: 'down', to: 'unknown', reason: null, message: 'deregistered' }
  await one.publish([update(fencingToken, 0, '', { records: [], transitions: [farewell] })])
  await one.hold([])
  const next = await other.hold()
  assert.deepEqual((await other.publish([update(next, 0, '', { records: [], transitions: [farewell] })]))?.results, [
    'accepted',
  ])
  const { transitions } = unwrap(await one.store.load())
  assert.deepEqual(
    transitions.map(({ to }) => to),
    ['down', 'unknown'],
  )
})

test('transitions get increasing ids in the shared log', { skip }, async (t) => {
  const { keys, one, other } = await start(t)
  const fencingToken = await one.hold()
  const told = (to: Transition['to'], target: string | null = null) => ({ ...transition, to, target })
  await one.publish([update(fencingToken, 0, '[1]', { transitions: [told('down', 'pg:5432'), told('down')] })])
  await one.publish([update(fencingToken, 0, '', { records: [], transitions: [told('up')] })])
  const { transitions } = unwrap(await other.store.load())
  assert.deepEqual(
    transitions.map(({ to, target, message }) => [to, target, message]),
    [
      ['down', 'pg:5432', transition.message],
      ['down', null, transition.message],
      ['up', null, transition.message],
    ],
  )
  const ids = transitions.map(({ id }) => id)
  assert.deepEqual(
    ids,
    [...new Set(ids)].sort((a, b) => a - b),
  )
  assert.ok(Math.abs((ids[0] ?? 0) / 1000 - Date.now()) < 300_000)
  const entries = await one.send(['XRANGE', keys.stream, '-', '+'])
  assert.ok(entries.ok)
  assert.match(JSON.stringify(entries.value), new RegExp(`\\\\"id\\\\":${ids[0]},`))
})
