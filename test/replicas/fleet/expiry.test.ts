/** A registration expires while replicas share the work. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import { change, type Member, startFleet, transitionsOf } from './fleet.ts'

const statusAt = async (member: Member) => {
  const { code, body } = await member.health('web')
  return code === 404 ? 'gone' : `${body.status} ${body.reason}`
}

test('an expired registration is expired at every replica, also after all restart, until a client renews or deregisters it', {
  skip: noRedis,
}, async (t) => {
  const { members, targets, join } = await startFleet(t, { replicas: 2, services: 2 })
  const [first, second] = members
  const [target] = targets
  assert(first && second && target)
  const web = { targets: [`127.0.0.1:${target.port}`], interval: '1s', ttl: '8s', expireAfter: '15s' }
  const everywhere = (status: string, all: readonly Member[]) =>
    Promise.all(all.map((member) => until(`it is ${status}`, async () => (await statusAt(member)) === status)))

  await change(first, 'PUT', '/services/web', web)
  await everywhere('up null', [first, second])
  await everywhere('down expired', [first, second])
  // Each replica sees by its own clock that the ttl is over. The transition comes later, from the replica that owns the service.
  const ofService = async () =>
    (await transitionsOf(second, '&service=web'))
      .filter((one) => one.target === null)
      .map(({ from, to }) => `${from} ${to}`)
  await until('both transitions are reported', async () => (await ofService()).length >= 2)
  assert.deepEqual(await ofService(), ['unknown up', 'up down'])

  await change(second, 'PUT', '/services/web', web)
  await everywhere('up null', [first, second])
  await change(second, 'PUT', '/services/web/drain')
  await everywhere('draining expired', [first, second])
  for (const member of members) member.child.kill('SIGTERM')
  for (const member of members) await member.ended

  const restarted = [await join()]
  for (const member of restarted) assert.equal(await statusAt(member), 'draining expired')
  await everywhere('gone', restarted)
  const [third] = restarted
  assert(third)
  await change(third, 'PUT', '/services/web', web)
  await everywhere('draining null', restarted)
  await change(third, 'DELETE', '/services/web')
  await everywhere('gone', restarted)
  await change(third, 'PUT', '/services/web', web)
  await everywhere('up null', restarted)
})

test('while Redis is away no registration expires, because none can be renewed; afterwards every ttl starts again', {
  skip: noRedis,
}, async (t) => {
  const { members, targets, redis } = await startFleet(t, { replicas: 1, services: 1 })
  const [only] = members
  const [target] = targets
  assert(only && target)
  const web = { targets: [`127.0.0.1:${target.port}`], interval: '1s', ttl: '6s' }
  await change(only, 'PUT', '/services/web', web)
  await until('it is up', async () => (await statusAt(only)) === 'up null')
  redis.kill('SIGSTOP')
  await sleep(8000)
  assert.equal(await statusAt(only), 'up null')
  redis.kill('SIGCONT')
  await until('it is linked', async () => (await only.mode()) === 'linked')
  assert.equal(await statusAt(only), 'up null')
  await until('it is expired', async () => (await statusAt(only)) === 'down expired')
})
