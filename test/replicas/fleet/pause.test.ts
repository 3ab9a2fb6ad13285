/** A replica is paused and resumes, as on a machine that was frozen or starved. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../support/process.ts'
import { noRedis } from '../../support/redis-server.ts'
import {
  assertNoFalseTransition,
  assertSameTransitions,
  checkersOf,
  finalTransitionsOf,
  longestUntilChecked,
  startFleet,
  transitionsOf,
  watchHealth,
} from './fleet.ts'

/** No other test listens on this address. On 127.0.0.1 another test could get the closed port and answer there. */
const ownHost = '127.0.20.1'

test('a replica that was paused for 20 s does not overwrite the newer health of the others', {
  skip: noRedis,
}, async (t) => {
  const { members, targets } = await startFleet(t, { services: 60, host: ownHost })
  const [first, ...others] = members
  assert(first)
  const victim = first
  const rest = others
  const { id: paused } = await victim.logged(/^linked: /)
  const [witness] = rest
  assert(victim && witness)
  await until('the shares are settled', async () => (await victim.shards()) < 120)
  const checkers = await checkersOf(witness)
  const theirs = targets.filter(({ service }) => checkers.get(service)?.replica === paused)
  const [failing, ...healthy] = theirs
  assert.ok(failing && healthy.length > 5, `it checked ${theirs.length}`)

  const pausedAt = Date.now()
  // Measure with the monotonic clock. If the time of day is corrected, 20 s of it may be 10 s.
  const goesOnAt = performance.now() + 20_000
  victim.child.kill('SIGSTOP')
  const health = watchHealth(t, () => rest, { path: `/health?exclude=${failing.service}` })
  await until('the others check its services', async () => longestUntilChecked(theirs, pausedAt + 500) < 30_000)
  await failing.close()
  await until('the others see one fail', async () => (await witness.health(failing.service)).code === 503)
  await sleep(Math.max(0, goesOnAt - performance.now()))
  const before = await finalTransitionsOf(witness)
  victim.child.kill('SIGCONT')
  const failed = async ({ health }: typeof witness) => (await health(failing.service)).code === 503
  // The replica may still be reading the changes of that time. Once it has read them, it does not lose them.
  await until('the paused replica sees it fail as well', async () => {
    assert.ok(await failed(witness))
    return failed(victim)
  })
  for (let round = 0; round < 100; round++) {
    for (const one of [witness, victim]) assert.ok(await failed(one))
    await sleep(20)
  }
  assertSameTransitions(await transitionsOf(witness), before)
  assertSameTransitions(await transitionsOf(victim), before)
  assert.deepEqual(await health.stop(), [])
  await until('the replica has its share again', async () => (await victim.shards()) > 50)
  await assertNoFalseTransition(members, [failing.service], health.mayBeStale())
  const refused = await victim.metric('porthole_replica_refused_results_total')
  t.diagnostic(`paused for 20 s; afterwards refused: ${JSON.stringify(refused)}`)
})
