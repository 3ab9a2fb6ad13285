/** Random faults, one after the other: replicas are killed, stopped, paused and started, and Redis is killed and paused. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import {
  assertNoFalseTransition,
  change,
  listenForChecks,
  longestGap,
  type Member,
  startFleet,
  untilRate,
  watchHealth,
} from './fleet.ts'

const faults = 8
const seed = Number(process.env.PORTHOLE_TEST_SEED ?? randomInt(2 ** 31))

/** Returns pseudo-random numbers that are the same for the same seed (mulberry32). */
function draw(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test(`${faults} faults in a row lose no change, and no replica reports anything false`, {
  skip: noRedis,
}, async (t) => {
  t.diagnostic(`PORTHOLE_TEST_SEED=${seed}`)
  const random = draw(seed)
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item
  const fleet = await startFleet(t)
  const { redis, targets, join } = fleet
  const [registered] = await listenForChecks(t, 1)
  /** The replicas that run and are not paused. */
  let live: Member[] = [...fleet.members]
  const confirmed = new Map<string, boolean>()
  let next = 0

  /** Registers or deregisters a service at any replica. A change counts only if the replica confirms it. */
  async function changeSomething(): Promise<void> {
    const member = pick(live)
    const known = [...confirmed].filter(([, there]) => there).map(([name]) => name)
    if (random() < 0.25 && known.length > 3) {
      const name = pick(known)
      const answer = await change(member, 'DELETE', `/services/${name}`).catch(() => null)
      // Without an answer the result is unknown.
      if (answer === null || answer.status === 503) confirmed.delete(name)
      if (answer?.status === 204) confirmed.set(name, false)
      return
    }
    const name = `registered-${next++}`
    const body = { targets: [`127.0.0.1:${registered?.port}`], interval: '1s' }
    const answer = await change(member, 'PUT', `/services/${name}`, body).catch(() => null)
    if (answer?.status === 201) confirmed.set(name, true)
  }

  async function remove(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const victim = pick(live)
    live = live.filter((one) => one !== victim)
    victim.child.kill(signal)
    await sleep(random() * 3000)
    live.push(await join())
  }

  const kinds: Record<string, () => Promise<unknown>> = {
    'a replica is killed': () => remove('SIGKILL'),
    'a replica is stopped': () => remove('SIGTERM'),
    'a replica is paused': async () => {
      const victim = pick(live)
      live = live.filter((one) => one !== victim)
      victim.child.kill('SIGSTOP')
      await sleep(1000 + random() * 8000)
      victim.child.kill('SIGCONT')
      await sleep(1500)
      live.push(victim)
    },
    'Redis is killed': async () => {
      redis.kill('SIGKILL')
      await sleep(random() * 6000)
      await redis.restart()
    },
    'Redis is paused': async () => {
      redis.kill('SIGSTOP')
      await sleep(500 + random() * 5000)
      redis.kill('SIGCONT')
    },
  }

  const beganAt = Date.now()
  const health = watchHealth(t, () => live, { path: '/health?group=fleet', isFaulty: true })
  const names: string[] = []
  const timeline: string[] = []
  for (let i = 0; i < faults; i++) {
    const [name, happen] = pick(Object.entries(kinds))
    names.push(name)
    timeline.push(`${Date.now() - beganAt} ms: ${name}`)
    const over = happen()
    for (let change = 0; change < 3; change++) await changeSomething()
    await over
    for (let change = 0; change < 2; change++) await changeSomething()
    await sleep(1000 + random() * 2000)
  }
  for (const member of live) {
    await until('it is linked', async () => (await member.mode()) === 'linked' && (await member.shards()) > 0)
  }
  await until('every shard has an owner', async () => {
    const shares = await Promise.all(live.map((one) => one.shards()))
    return shares.reduce((sum, one) => sum + one, 0) === 256
  })
  const settledAt = Date.now()
  await untilRate(targets, 0.9, 1.1)
  const wrong = await health.stop()
  const counted = [...names].sort().join(', ')
  const gap = longestGap(targets, beganAt, settledAt)
  const lost: string[] = []
  const undead: string[] = []
  for (const [name, there] of confirmed) {
    for (const { url } of live) {
      const { status } = await fetch(`${url}/v1/services/${name}`)
      if (there && status !== 200) lost.push(name)
      if (!there && status !== 404) undead.push(name)
    }
  }
  t.diagnostic(`${counted}`)
  t.diagnostic(
    `unchecked for ${gap.ms} ms at most: ${gap.service} from ${gap.from - beganAt} ms on; ${timeline.join('; ')}`,
  )
  t.diagnostic(`${confirmed.size} confirmed changes, ${lost.length} lost, ${undead.length} undone`)
  assert.deepEqual([lost, undead], [[], []])
  // A service that was not checked for too long is unknown, which is true and filtered out.
  assert.deepEqual(wrong, [])
  const changed = [...confirmed.keys(), ...Array.from({ length: next }, (_, i) => `registered-${i}`)]
  await assertNoFalseTransition(live, changed, health.mayBeStale())
})
