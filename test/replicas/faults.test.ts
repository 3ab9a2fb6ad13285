/** Replicas that are killed, stopped and paused, and a Redis that is gone: each a test with real processes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noRedis } from '../redis-server.ts'
import {
  assertNoFalseTransition,
  checksPerInterval,
  longestDoubling,
  longestGap,
  longestUntilChecked,
  startFleet,
  watchHealth,
} from './fleet.ts'

test('a replica that is killed: the others check its services again within 8 s', { skip: noRedis }, async (t) => {
  const { members, targets } = await startFleet(t)
  const [first, ...others] = members
  assert(first)
  const beganAt = Date.now()
  await sleep(3000)
  const before = checksPerInterval(targets, beganAt, Date.now())
  assert.ok(before <= 1.1, `${before} checks per interval`)

  const health = watchHealth(t, () => others)
  const killedAt = Date.now()
  first.child.kill('SIGKILL')
  await sleep(9000)
  const again = longestUntilChecked(targets, killedAt)
  t.diagnostic(`checked again after ${again} ms at most; ${before.toFixed(3)} checks per interval before`)
  assert.ok(again <= 8000, `one was checked only ${again} ms after the kill`)
  const twice = longestDoubling(targets, killedAt)
  assert.ok(twice <= 2000, `one was checked twice in an interval for ${twice} ms`)

  const settledAt = Date.now()
  await sleep(3000)
  const after = checksPerInterval(targets, settledAt, Date.now())
  assert.ok(after <= 1.1, `${after} checks per interval`)
  assert.deepEqual(await health.stop(), [])
  await assertNoFalseTransition(others, [], health.mayBeStale())
})

test('a replica that is stopped: the others go on within 1 s', { skip: noRedis }, async (t) => {
  const { members, targets } = await startFleet(t)
  const [first, ...others] = members
  assert(first)
  const health = watchHealth(t, () => others)
  const beganAt = Date.now()
  await sleep(3000)
  const stoppedAt = Date.now()
  // What an interval of 1 s comes to on this machine.
  const { ms: before } = longestGap(targets, beganAt, stoppedAt)
  first.child.kill('SIGTERM')
  await first.ended
  await sleep(4000)
  const { ms: gap } = longestGap(targets, stoppedAt - 1200, Date.now())
  t.diagnostic(`unchecked for ${gap} ms at most, at an interval of 1 s; ${before} ms before`)
  assert.ok(gap <= before + 1000, `one went unchecked for ${gap} ms, and for ${before} ms before`)
  assert.deepEqual(await health.stop(), [])
  await assertNoFalseTransition(others, [], health.mayBeStale())
})
