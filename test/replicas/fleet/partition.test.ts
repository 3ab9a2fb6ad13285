/** One replica loses Redis and the other replicas, but can still reach its targets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHost, enterNamespace, sh } from '../../support/namespace.ts'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import {
  assertNoFalseTransition,
  longestGap,
  longestUntilChecked,
  startFleet,
  startMember,
  transitionsOf,
  untilRate,
  watchHealth,
} from './fleet.ts'

const noNamespace = await enterNamespace(import.meta.filename)

test('a replica that loses Redis goes solo, and joins again later', {
  skip: noNamespace || noRedis,
}, async (t) => {
  const host = await createHost(1)
  t.after(host.close)
  sh(`ip link add near type veth peer name far
      ip link set far netns ${host.pid}
      ip addr add 10.77.0.1/24 dev near; ip link set near up`)
  host.sh('ip link set lo up; ip addr add 10.77.0.2/24 dev far; ip link set far up')
  const fleet = await startFleet(t, { host: '10.77.0.1', replicas: 2, services: 100 })
  const { redis, members, targets } = fleet
  const cut = await startMember(t, fleet.config(), { PORTHOLE_HOST: '10.77.0.2' }, [
    ...['nsenter', '-t', String(host.pid), '-n'],
  ])
  const all = [...members, cut]
  await until('the replica has its share', async () => (await cut.shards()) > 50)
  const [failing] = targets
  assert(failing)

  const health = watchHealth(t, () => all, { path: `/health?exclude=${failing.service}` })
  const cutAt = Date.now()
  sh(`nft add table inet cut
      nft 'add chain inet cut in { type filter hook input priority 0; }'
      nft add rule inet cut in ip saddr 10.77.0.2 tcp dport ${redis.port} drop
      nft 'add chain inet cut out { type filter hook output priority 0; }'
      nft add rule inet cut out ip daddr 10.77.0.2 tcp sport ${redis.port} drop`)
  const { time } = await cut.logged(/^solo: /)
  t.diagnostic(`solo after ${time - cutAt} ms`)
  await until('the others have its share', async () => {
    const [one = 0, other = 0] = await Promise.all(members.map((member) => member.shards()))
    return one + other === 256
  })
  await until('all are checked again', async () => Number.isFinite(longestUntilChecked(targets, cutAt)))
  const again = longestUntilChecked(targets, cutAt)
  await failing.close()
  for (const one of all)
    await until('the replica sees that one service fails', async () => (await one.health(failing.service)).code === 503)
  t.diagnostic(`checked again after ${again} ms at most`)
  // This replica checks everything, and so do the others together.
  await untilRate(targets.slice(1), 1.8, 2.2)

  sh('nft delete table inet cut')
  await cut.logged(/^linked: /, cut.lines.length)
  await until('the replica has its share again', async () => (await cut.shards()) > 50)
  await untilRate(targets.slice(1), 0.9, 1.1)
  t.diagnostic(`unchecked for ${longestGap(targets.slice(1), cutAt - 1000, Date.now()).ms} ms at most`)
  assert.deepEqual(await health.stop(), [])
  for (const one of all) assert.equal((await one.health(failing.service)).code, 503)
  const told = await transitionsOf(cut, `&service=${failing.service}`)
  assert.deepEqual(
    told.filter(({ target }) => target === null).map(({ from, to }) => `${from} ${to}`),
    ['unknown up', 'up down'],
  )
  await assertNoFalseTransition(all, [failing.service], health.mayBeStale())
})
