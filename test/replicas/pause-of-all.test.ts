/** All replicas are paused at once, as where they run on one machine that is frozen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../process.ts'
import { noRedis } from '../redis-server.ts'
import { startFleet, transitionsOf } from './fleet.ts'

/** No other test listens here. */
const ownHost = '127.0.21.1'

test('replicas that were paused together for longer than their leases go on with what they knew', {
  skip: noRedis,
}, async (t) => {
  const { members } = await startFleet(t, { replicas: 2, services: 20, host: ownHost })
  const [first] = members
  assert(first)
  const before = await transitionsOf(first)
  for (const { child } of members) child.kill('SIGSTOP')
  await sleep(9000)
  for (const { child } of members) child.kill('SIGCONT')
  for (const { url } of members) {
    const response = await fetch(`${url}/health`)
    assert.equal(response.status, 200, await response.text())
  }
  for (const { url, lines } of members) {
    await until('its services are checked again', async () => {
      const response = await fetch(`${url}/health`)
      assert.equal(response.status, 200)
      return Number(response.headers.get('age')) < 4
    })
    assert.deepEqual(
      lines.filter(({ msg }) => /^solo|no work gets done/.test(msg)).map(({ msg }) => msg),
      [],
    )
    assert.deepEqual(await transitionsOf(first), before)
  }
})
