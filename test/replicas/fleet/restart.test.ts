/** All replicas stop and start again while Redis continues, and readers move from one replica to another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import { assertSameTransitions, change, finalTransitionsOf, startFleet, transitionsOf } from './fleet.ts'

test('registrations, health and transitions survive a restart of all replicas, and the time between is a gap', {
  skip: noRedis,
}, async (t) => {
  // A status is trusted for longer than a start takes on a busy machine.
  const defaults = { interval: '5s', fastInterval: '1s', timeout: '900ms', close: 'rst' }
  const { members, targets, join } = await startFleet(t, { replicas: 2, services: 3, more: { defaults } })
  const [first] = members
  const [up, down] = targets
  assert(first && up && down)
  await change(first, 'PUT', '/services/web', { targets: [`127.0.0.1:${up.port}`], interval: '5s' })
  await change(first, 'PUT', `/services/${up.service}/drain`)
  await down.close()
  for (const member of members) {
    await until('one fails', async () => (await member.health(down.service)).code === 503)
    await until('the other is up', async () => (await member.health('web')).code === 200)
  }
  const before = await finalTransitionsOf(first)
  const checks = (await first.metric('porthole_target_checks_total'))[`{service="web",target="127.0.0.1:${up.port}"}`]
  for (const member of members) member.child.kill('SIGTERM')
  for (const member of members) await member.ended
  await sleep(1000)

  const [third, fourth] = await Promise.all([join(), join()])
  assert(third && fourth)
  for (const member of [third, fourth]) {
    await until('web is checked again', async () => (await member.health('web')).code === 200)
    await until('the other still fails', async () => (await member.health(down.service)).code === 503)
    assert.equal((await member.health(up.service)).body.status, 'draining')
    assertSameTransitions(await transitionsOf(member), before)
    const { gaps } = (await (await fetch(`${member.url}/v1/transitions`)).json()) as {
      gaps: { from: string; to: string }[]
    }
    assert.equal(gaps.length, 1, JSON.stringify(gaps))
    const after = (await member.metric('porthole_target_checks_total'))[`{service="web",target="127.0.0.1:${up.port}"}`]
    assert.ok(Number(after) >= Number(checks), `${after} checks after ${checks}`)
  }
})

test('a reader of events continues at another replica, with no event missing or repeated', {
  skip: noRedis,
}, async (t) => {
  const { members, targets } = await startFleet(t, { replicas: 2, services: 2 })
  const [first, second] = members
  const [one] = targets
  assert(first && second && one)
  const before = await finalTransitionsOf(first)
  await one.close()
  await until('both see it fail', async () => {
    const codes = await Promise.all(members.map(async (member) => (await member.health(one.service)).code))
    return codes.every((code) => code === 503)
  })
  await until('both report it', async () => (await transitionsOf(second)).length >= before.length + 2)
  const told = (await transitionsOf(first)).slice(before.length)
  for (const member of [first, second]) {
    const abort = new AbortController()
    const events = await fetch(`${member.url}/v1/events`, {
      headers: { 'last-event-id': String(before.at(-1)?.id) },
      signal: abort.signal,
    })
    let text = ''
    for await (const chunk of events.body ?? assert.fail()) {
      text += Buffer.from(chunk).toString()
      if ((text.match(/^event: transition$/gm)?.length ?? 0) >= told.length) break
    }
    abort.abort()
    const ids = [...text.matchAll(/^event: transition\nid: (\d+)$/gm)].map(([, id]) => id)
    assert.deepEqual(
      ids,
      told.map(({ id }) => id),
    )
    assert.doesNotMatch(text, /event: reset/)
  }
})
