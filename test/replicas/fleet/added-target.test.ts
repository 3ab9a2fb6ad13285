import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askAllTheTime } from '../../support/asking.ts'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import { assertNoFalseTransition, change, startFleet, transitionsOf } from './fleet.ts'

test('no replica answers 503 while a target is added to a service that is up', {
  skip: noRedis,
}, async (t) => {
  const fleet = await startFleet(t, { services: 2, replicas: 2 })
  const [first] = fleet.members
  assert(first !== undefined)
  const [one, two] = fleet.targets.map(({ port }) => `127.0.0.1:${port}`)
  assert.equal((await change(first, 'PUT', '/services/web', { targets: [one] })).status, 201)
  const codes = () => Promise.all(fleet.members.map(async ({ url }) => (await fetch(`${url}/health/web`)).status))
  await until('web is up everywhere', async () => (await codes()).every((code) => code === 200))
  const asking = fleet.members.map(({ url }) => askAllTheTime(`${url}/health/web`))
  for (let round = 0; round < 3; round++) {
    for (const targets of [[one, two], [one]]) {
      assert.equal((await change(first, 'PUT', '/services/web', { targets })).status, 200)
      await until('all have checked it', async () => {
        const reports = await Promise.all(fleet.members.map((member) => member.health('web')))
        return reports.every(({ body }) => body.targetsUp === targets.length)
      })
    }
  }
  for (const client of asking) assert.deepEqual(await client.stop(), [200])
  await assertNoFalseTransition(fleet.members, ['web'])
  // A target that comes back may start from unknown again, or from the health that the replicas stored.
  const ofWeb = await transitionsOf(first, '&service=web')
  assert.deepEqual(new Set(ofWeb.map(({ to }) => to)), new Set(['up']))
  assert.equal(ofWeb.filter(({ target }) => target === null).length, 1)
})
