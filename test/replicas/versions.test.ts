/** A replica of this version runs beside one of a newer version. The test plays the newer one, with words that this version does not know. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { currentStatusOf } from '../../src/monitor/state/state.ts'
import { connectRedis } from '../../src/redis/connection.ts'
import { keysOf } from '../../src/redis/keys.ts'
import { shardCount, shardOf, sharesOf } from '../../src/replicas/lease/shards.ts'
import { createRequests } from '../../src/replicas/requests.ts'
import { createSharedClock } from '../../src/replicas/shared-clock.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { until } from '../support/process.ts'
import { noRedis, startRedis } from '../support/redis-server.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'
import { allUp, assemble } from './assemble.ts'

const newer = 'newer-1'
/** Two services of one shard. Only the newer version can check the first, and both versions can check the second. */
const cache = 'cache'
const shard = shardOf(cache)
const plain = Array.from({ length: 100_000 }, (_, i) => `plain-${i}`).find((name) => shardOf(name) === shard) ?? ''
const definition =
  '{"targets":["10.0.0.5:6379"],"interval":"1s","timeout":"1s","exchange":"redis","requires":["exchange"]}'

/** Plays the newer replica: renews its lease, registers, publishes. */
async function playNewer(t: TestContext, url: string) {
  const connection = await connectRedis({ url, passwordFile: null }, 'any')
  assert(typeof connection !== 'string', String(connection))
  const keys = keysOf('default')
  const clock = createSharedClock(systemClock())
  const redisConnector = {
    run: connection.run,
    send: connection.send,
    open: async () => 'the test has one connection',
    refusal: () => null,
    caughtUp: async () => {},
    advance: () => {},
  }
  const requests = createRequests({
    id: newer,
    redisConnector,
    keys,
    clock,
    retention: { maxCount: 100, maxAgeMs: 1e9 },
  })
  let attempt = 0
  let fencingToken: number | undefined
  /** Renews its membership, and acquires the shard once it is free. Returns the shards that the other replica declines. */
  async function renew(): Promise<ReadonlySet<number>> {
    const renewal = {
      attempt: ++attempt,
      isMember: true,
      declined: [],
      shards: fencingToken === undefined ? [] : [shard],
    }
    const answer = await requests.renew(renewal, { digest: '-', loadedAt: 0 })
    assert(answer !== null)
    const { owners, declined, members } = answer.grant
    const older = members.find((member) => member !== newer) ?? ''
    if (owners[shard] === null) fencingToken = 0
    fencingToken = answer.grant.tokens.get(shard) ?? fencingToken
    return declined.get(older) ?? new Set()
  }
  let renewing = Promise.resolve<unknown>(null)
  const timer = setInterval(() => {
    renewing = renewing.then(renew)
  }, 500)
  const stop = async () => {
    clearInterval(timer)
    await renewing
  }
  t.after(async () => {
    await stop()
    connection.close()
  })
  return {
    stop,
    renew,
    owns: () => (fencingToken ?? 0) > 0,
    async publish(outcome: unknown) {
      const memory = JSON.stringify([1, 'up', Date.now(), 'up', 3, Date.now(), null, outcome, 'up', 3, 0, 4.5, 0, null])
      const update = { service: cache, shard, fencingToken: fencingToken ?? 0, gone: [], transitions: [] }
      return requests.publish([{ ...update, records: [{ field: '10.0.0.5:6379', base: 0, snapshot: memory }] }])
    },
  }
}

test('a service that this version cannot check is left to a newer replica, and its status is shown until it is stale', {
  skip: noRedis,
}, async (t) => {
  const { url, connect } = await startRedis(t)
  const connection = await connect()
  const keys = keysOf('default')
  await connection.send(['HSET', keys.registrations, cache, `1 ${definition}`])
  const other = await playNewer(t, url)
  await other.renew()

  const clock = systemClock()
  const dialled: string[] = []
  const prober = {
    ...allUp(),
    check: ({ target }: { target: { name: string } }, ended: (outcome: ReturnType<typeof sampleOutcome>) => void) => {
      dialled.push(target.name)
      queueMicrotask(() => ended(sampleOutcome('connected', clock.now())))
    },
  }
  const services = [sampleService(plain, ['10.0.0.6:80'], { interval: 200 }), sampleService('any', ['10.0.0.7:80'])]
  const { monitor, registrar, news, replica } = await assemble(t, { url, services, prober })
  const foreign: string[] = []
  registrar.registrations.foreign.subscribe(({ word }) => foreign.push(word))
  assert.deepEqual(monitor.services.get(cache)?.service.policy.unread, ['exchange'])

  await until('the newer replica owns the shard', async () => {
    const declined = await other.renew()
    return declined.has(shard) && declined.size === 1 && other.owns()
  })
  await until(
    'this replica has the rest',
    async () => replica.replicaStatus().shards >= sharesOf('x', [newer, 'x']).length / 2,
  )
  assert.ok(replica.replicaStatus().shards < shardCount)
  const plainChecks = () => dialled.filter((name) => name === '10.0.0.6:80').length
  const checkedBefore = plainChecks()
  await until('the health of the service is there', async () => {
    const at = Date.now()
    await other.publish(['answered', at - 5, at, '10.0.0.5:6379', 1.5, 0, 'pong', null, null, 'appended'])
    return monitor.services.get(cache)?.targets[0]?.health.lastOutcome?.reason === 'other'
  })
  const state = monitor.services.get(cache) ?? assert.fail()
  assert.equal(currentStatusOf(state, clock.now()).status, 'up')
  assert.deepEqual(
    news.flatMap((one) => (one.kind === 'foreign' && one.word.kind === 'reason' ? one.word.word : [])).slice(0, 1),
    ['answered'],
  )
  assert.equal(plainChecks(), checkedBefore, 'this replica checks a service of a shard that it declined')

  // Without the newer replica this one checks the other services of the shard again, and the status of the first service becomes stale.
  await other.stop()
  await until('this replica checks the shard again', async () => plainChecks() > checkedBefore)
  await until(
    'the status of the service is stale',
    async () => currentStatusOf(state, clock.now()).status === 'unknown',
  )
  assert.equal(monitor.refresh([state], 0), null)
  assert.ok(!dialled.includes('10.0.0.5:6379'), 'this replica dialled a target that it cannot check')
})
