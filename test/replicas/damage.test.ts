/** Another program writes to the store, or the store loses a part of its data. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { handoverMs } from '../../src/domain/service/policy.ts'
import type { Connection } from '../../src/redis/connection.ts'
import { keysOf } from '../../src/redis/keys.ts'
import { until } from '../support/process.ts'
import { noRedis, startRedis } from '../support/redis-server.ts'
import { changedService, sampleService } from '../support/samples.ts'
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

/** Waits until the replica is linked and checks all services again. */
async function assertGoesOn({ monitor, replica }: Assembled): Promise<void> {
  const before = [...monitor.services.values()].map(({ targets }) => targets[0]?.checks ?? 0)
  await until('the replica checks, and is linked', async () => {
    const after = [...monitor.services.values()].map(({ targets }) => targets[0]?.checks ?? 0)
    const { mode, failure, shards } = replica.replicaStatus()
    return mode === 'linked' && failure === null && shards === 256 && after.every((n, i) => n > (before[i] ?? 0) + 3)
  })
}

/** Writes an entry as a replica does. The script is one step, because the replica writes at the same time. */
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
  'an entry that is not JSON': (connection) =>
    push(connection, 'kind', 'health', 'replica', 'x', 'records', '{', 'transitions', '[]'),
  'an entry of an unknown kind': (connection) => push(connection, 'kind', 'poem', 'text', 'roses are red'),
  'an entry out of order': (connection) =>
    connection.send(['XADD', keys.stream, '*', 'kind', 'members', 'before', '7']),
  'health that is not JSON': (connection) => connection.send(['HSET', keys.health('s3'), '127.0.0.1:1', '99 {']),
  'health of a replica of another version': (connection) =>
    connection.send(['HSET', keys.health('s3'), '127.0.0.1:1', '99 [99,{}]']),
  'the loss of all leases': (connection) => connection.send(['DEL', keys.leases]),
  'the loss of all members': (connection) => connection.send(['DEL', keys.members]),
  'the loss of the stream': (connection) => connection.send(['DEL', keys.stream]),
  'the loss of all data': (connection) => connection.send(['FLUSHALL']),
  'the loss of all scripts': (connection) => connection.send(['SCRIPT', 'FLUSH']),
}

test('a replica is solo while Redis rejects changes, and linked again once Redis accepts them', {
  skip: noRedis,
}, async (t) => {
  const { replica, connection } = await start(t)
  // This is like a full disk or full memory, where reads still work.
  await connection.send(['CONFIG', 'SET', 'min-replicas-to-write', '1'])
  await until('the replica is solo', async () => replica.replica.replicaStatus().mode === 'solo')
  const before = [...replica.monitor.services.values()].map(({ targets }) => targets[0]?.checks ?? 0)
  await until('the replica checks', async () =>
    [...replica.monitor.services.values()].every(({ targets }, i) => (targets[0]?.checks ?? 0) > (before[i] ?? 0)),
  )
  await connection.send(['CONFIG', 'SET', 'min-replicas-to-write', '0'])
  await assertGoesOn(replica)
})

for (const [what, damage] of Object.entries(damages)) {
  test(`a replica continues after ${what}`, { skip: noRedis }, async (t) => {
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
