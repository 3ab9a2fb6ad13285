/** All replicas are paused at once, as on one machine that is frozen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import {
  assertSameTransitions,
  type Fleet,
  finalTransitionsOf,
  type Member,
  startFleet,
  transitionsOf,
} from './fleet.ts'

type Gap = { readonly from: string; readonly to: string }

/** Returns the gaps in which no replica ran, as a replica reports them. */
async function gapsOf({ url }: Member): Promise<Gap[]> {
  const page = (await (await fetch(`${url}/v1/transitions`)).json()) as { gaps: Gap[] }
  return page.gaps
}

/** Pauses all replicas for this long. */
async function pauseAll({ members }: Fleet, ms: number): Promise<void> {
  for (const { child } of members) child.kill('SIGSTOP')
  await sleep(ms)
  for (const { child } of members) child.kill('SIGCONT')
}

/** Waits until every replica reports a new check of every service. */
async function untilCheckedAgain({ members }: Fleet): Promise<void> {
  for (const { url } of members)
    await until('its services are checked again', async () => {
      const response = await fetch(`${url}/health`)
      await response.text()
      return response.status === 200 && Number(response.headers.get('age')) < 4
    })
}

function wentAlone({ members }: Fleet): string[] {
  return members.flatMap(({ lines }) => lines.map(({ msg }) => msg).filter((msg) => /^solo|is stalled/.test(msg)))
}

test('replicas that were paused together for longer than their leases continue with the health that they knew', {
  skip: noRedis,
}, async (t) => {
  const fleet = await startFleet(t, { replicas: 2, services: 20, host: '127.0.21.1' })
  const [first] = fleet.members
  assert(first)
  const before = await finalTransitionsOf(first)
  await pauseAll(fleet, 9000)
  for (const { url } of fleet.members) {
    const response = await fetch(`${url}/health`)
    assert.equal(response.status, 200, await response.text())
  }
  await untilCheckedAgain(fleet)
  assert.deepEqual(wentAlone(fleet), [])
  assertSameTransitions(await transitionsOf(first), before)
  for (const member of fleet.members) assert.deepEqual(await gapsOf(member), [])
})

test('replicas that were paused together for longer than a status is trusted store a gap, and no transition', {
  skip: noRedis,
}, async (t) => {
  const pausedMs = 27_000
  const fleet = await startFleet(t, { replicas: 2, services: 20, host: '127.0.21.2' })
  const [first] = fleet.members
  assert(first)
  const before = await finalTransitionsOf(first)
  await pauseAll(fleet, pausedMs)
  const answers = await Promise.all(fleet.members.map(({ url }) => fetch(`${url}/health`)))
  t.diagnostic(`right after it: ${answers.map(({ status }) => status).join(', ')}`)
  await untilCheckedAgain(fleet)
  assert.deepEqual(wentAlone(fleet), [])
  for (const member of fleet.members) {
    assertSameTransitions(await transitionsOf(member), before)
    await until('it knows of the gap', async () => (await gapsOf(member)).length > 0)
    const gaps = await gapsOf(member)
    assert.equal(gaps.length, 1, JSON.stringify(gaps))
    const [{ from, to } = { from: '', to: '' }] = gaps
    assert.ok(Date.parse(to) - Date.parse(from) > pausedMs - 2000, `${from} to ${to}`)
  }
})
