/** Replicas are killed and stopped. Each test has real processes. `bench:takeover` measures how soon the others continue. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import { assertNoFalseTransition, longestUntilChecked, startFleet, untilRate, watchHealth } from './fleet.ts'

for (const [how, signal] of [
  ['killed', 'SIGKILL'],
  ['stopped', 'SIGTERM'],
] as const) {
  test(`a replica that is ${how}: the others check its services again, once an interval, and report nothing false`, {
    skip: noRedis,
  }, async (t) => {
    const { members, targets } = await startFleet(t)
    const [first, ...others] = members
    assert(first)
    await untilRate(targets, 0.9, 1.1)
    const health = watchHealth(t, () => others)
    const gone = Date.now()
    first.child.kill(signal)
    await first.ended
    await until('all are checked again', async () => Number.isFinite(longestUntilChecked(targets, gone)))
    t.diagnostic(`checked again after ${longestUntilChecked(targets, gone)} ms at most`)
    await untilRate(targets, 0.9, 1.1)
    assert.deepEqual(await health.stop(), [])
    await assertNoFalseTransition(others, [], health.mayBeStale())
  })
}
