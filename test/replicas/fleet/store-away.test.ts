/** Redis is killed and starts again empty, and replicas start and stop while it is away. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import {
  assertNoFalseTransition,
  assertSameTransitions,
  change,
  checkersOf,
  finalTransitionsOf,
  longestGap,
  startFleet,
  transitionsOf,
  watchHealth,
} from './fleet.ts'

test('when Redis restarts empty all services stay up, and no registration is lost', {
  skip: noRedis,
}, async (t) => {
  const { redis, members, targets } = await startFleet(t)
  const [first, second, third] = members
  assert(first && second && third)
  const [sample] = targets
  for (let i = 0; i < 20; i++) {
    const body = { targets: [`127.0.0.1:${targets[i]?.port}`], interval: '1s', ttl: '1h' }
    assert.equal((await change(members[i % 3] ?? first, 'PUT', `/services/registered-${i}`, body)).status, 201)
  }
  assert.equal((await change(second, 'DELETE', '/services/registered-19')).status, 204)
  assert.equal((await change(third, 'PUT', `/services/${sample?.service}/drain`)).status, 204)
  await until('all are up', async () => (await fetch(`${third.url}/health`)).status === 200)
  const tag = (await fetch(`${first.url}/v1/services/registered-3`)).headers.get('etag')
  const before = await finalTransitionsOf(first)

  const beganAt = Date.now()
  await sleep(3000)
  const health = watchHealth(t, () => members)
  const killedAt = Date.now()
  // The real length of an interval of 1 s on this machine.
  const { ms: usual } = longestGap(targets, beganAt, killedAt)
  redis.kill('SIGKILL')
  const solo = await Promise.all(members.map((one) => one.logged(/^solo: /)))
  t.diagnostic(`solo after ${Math.max(...solo.map(({ time }) => time)) - killedAt} ms at most`)
  for (const one of members) {
    assert.equal((await one.metric('porthole_replica_solo'))[''], 1)
    assert.ok((await checkersOf(one)).get('s1')?.solo)
    const refused = await change(one, 'PUT', '/services/new', { targets: ['127.0.0.1:1'] })
    assert.equal(refused.status, 503)
    assert.match(
      ((await refused.json()) as { detail: string }).detail,
      /^Nothing was changed, because it could not be saved: .*Redis/,
    )
    assert.equal((await fetch(`${one.url}/readyz`)).status, 200)
    assert.match(
      ((await (await fetch(`${one.url}/health`)).json()) as { warnings: string[] }).warnings.join(),
      /^solo: /,
    )
  }
  await sleep(3000)
  await redis.restart()
  for (const one of members) {
    await one.logged(
      /^linked: /,
      one.lines.findIndex(({ msg }) => msg.startsWith('solo')),
    )
  }
  await sleep(3000)
  const { ms: gap } = longestGap(targets, killedAt - 1200, Date.now())
  t.diagnostic(`unchecked for ${gap} ms at most, at an interval of 1 s; ${usual} ms before`)
  assert.deepEqual(await health.stop(), [])

  for (const one of members) {
    for (let i = 0; i < 19; i++) assert.equal((await one.health(`registered-${i}`)).code, 200)
    assert.equal((await fetch(`${one.url}/v1/services/registered-19`)).status, 404)
    assert.equal((await one.health(String(sample?.service))).body.status, 'draining')
    assert.equal((await fetch(`${one.url}/v1/services/registered-3`)).headers.get('etag'), tag)
    assertSameTransitions(await transitionsOf(one), before)
    assert.equal((await one.metric('porthole_replica_solo'))[''], 0)
  }
  const shards = await Promise.all(members.map((one) => one.shards()))
  assert.equal(
    shards.reduce((sum, one) => sum + one, 0),
    256,
  )
  await assertNoFalseTransition(members, ['registered-19'], health.mayBeStale())
})
