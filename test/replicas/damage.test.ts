/** A store that somebody else writes to, or that loses a part. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { handoverMs } from '../../src/domain/policy.ts'
import type { Connection } from '../../src/redis/connection.ts'
import { keysOf } from '../../src/redis/keys.ts'
import { until } from '../process.ts'
import { noRedis, startRedis } from '../redis-server.ts'
import { changedService, sampleService } from '../samples.ts'
import { type Assembled, assemble } from './assemble.ts'

const keys = keysOf('default')
const services = Array.from({ length: 10 }, (_, i) => {
  const service = sampleService(`s${i}`, ['127.0.0.1:1'], { interval: 100, timeout: 100 })
  return changedService(service, { policy: { ...service.policy, handoverMs } })
})

async function start(t: TestContext) {
  const server = await startRedis(t)
  const replica = await assemble(t, { url: server.url, services })
  await until('everything is up', async () => isUp(replica))
  return { replica, connection: await server.connect() }
}

const isUp = ({ monitor }: Assembled) =>
  [...monitor.services.values()].every(({ targets }) => targets[0]?.health.status === 'up')

/** It checks all again, as one of the others. */
async function assertGoesOn({ monitor, replica }: Assembled): Promise<void> {
  const before = [...monitor.services.values()].map(({ targets }) => targets[0]?.checks ?? 0)
  await until('it checks, and is linked', async () => {
    const after = [...monitor.services.values()].map(({ targets }) => targets[0]?.checks ?? 0)
    const { mode, failure, shards } = replica.standing()
    return mode === 'linked' && failure === null && shards === 256 && after.every((n, i) => n > (before[i] ?? 0) + 3)
  })
}

/** Writes an entry as a replica does: in one step, since the replica writes meanwhile. */
const pushEntry = `
local head = redis.call('HGET', KEYS[1], 'head')
local number = string.format('%.0f', tonumber(head) + 1)
redis.call('HSET', KEYS[1], 'head', number)
return redis.call('XADD', KEYS[2], number .. '-0', 'before', head, unpack(ARGV))`

async function push(connection: Connection, ...fields: string[]): Promise<void> {
  const added = await connection.send(['EVAL', pushEntry, '2', keys.meta, keys.stream, ...fields])
  assert.ok(added.ok, added.ok ? '' : added.failure)
}

const damages: Record<string, (connection: Connection) => Promise<unknown>> = {
  'an entry that is no JSON': (connection) =>
    push(connection, 'kind', 'health', 'replica', 'x', 'records', '{', 'transitions', '[]'),
  'an entry that nobody understands': (connection) => push(connection, 'kind', 'poem', 'text', 'roses are red'),
  'an entry out of order': (connection) =>
    connection.send(['XADD', keys.stream, '*', 'kind', 'members', 'before', '7']),
  'health that is no JSON': (connection) => connection.send(['HSET', keys.health('s3'), '127.0.0.1:1', '99 {']),
  'health of a replica of another version': (connection) =>
    connection.send(['HSET', keys.health('s3'), '127.0.0.1:1', '99 [99,{}]']),
  'leases that are gone': (connection) => connection.send(['DEL', keys.leases]),
  'members that are gone': (connection) => connection.send(['DEL', keys.members]),
  'a stream that is gone': (connection) => connection.send(['DEL', keys.stream]),
  'everything gone': (connection) => connection.send(['FLUSHALL']),
  'scripts that are gone': (connection) => connection.send(['SCRIPT', 'FLUSH']),
}

test('a Redis that refuses to be written to leaves each replica alone, and none of them so once it takes it again', {
  skip: noRedis,
}, async (t) => {
  const { replica, connection } = await start(t)
  // As where its disk is full, or it has no memory left: reading goes on.
  await connection.send(['CONFIG', 'SET', 'min-replicas-to-write', '1'])
  await until('it is alone', async () => replica.replica.standing().mode === 'solo')
  const before = [...replica.monitor.services.values()].map(({ targets }) => targets[0]?.checks ?? 0)
  await until('it checks', async () =>
    [...replica.monitor.services.values()].every(({ targets }, i) => (targets[0]?.checks ?? 0) > (before[i] ?? 0)),
  )
  await connection.send(['CONFIG', 'SET', 'min-replicas-to-write', '0'])
  await assertGoesOn(replica)
})

for (const [what, damage] of Object.entries(damages)) {
  test(`goes on after ${what}`, { skip: noRedis }, async (t) => {
    const { replica, connection } = await start(t)
    await damage(connection)
    await assertGoesOn(replica)
    assert.ok(isUp(replica))
    assert.deepEqual(
      replica.log.find({}).filter(({ to }) => to !== 'up'),
      [],
    )
  })
}
