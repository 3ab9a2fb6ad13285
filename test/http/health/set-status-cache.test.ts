import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createSetStatusCache } from '../../../src/http/health/set-status-cache.ts'
import type { ServiceState } from '../../../src/monitor/state/state.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { createTimeSlices } from '../../../src/runtime/time-slices.ts'

/** Builds a number of services that are up, and counts how often one of them is read. */
function surveyed(t: TestContext, count: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let looks = 0
  const service = {
    service: { name: 'pg' },
    targets: [],
    checkedAt: 1,
    checkedBy: null,
    cachedStatus: 'up',
    cachedUntil: Number.POSITIVE_INFINITY,
    get drained() {
      looks++
      return false
    },
  } as unknown as ServiceState
  const services = [service, ...Array.from({ length: count - 1 }, () => ({ ...service, drained: false }))]
  looks = 0
  const slices = createTimeSlices()
  const setStatusOf = createSetStatusCache({ clock: { now: () => 0 } as Clock, exists: () => true, slices })
  const ask = async (name = 'all', isFresh = false) => {
    const { counts } = await setStatusOf(services, { name, verbose: false, isFresh, slice: slices.begin() })
    assert.equal(counts.up, count)
    return looks
  }
  return { ask }
}

test('the status of a large set is cached for one second', async (t) => {
  const { ask } = surveyed(t, 10_000)
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [1, 1, 1])
  t.mock.timers.tick(999)
  assert.equal(await ask(), 1)
  assert.equal(await ask('others'), 2)
  t.mock.timers.tick(1)
  assert.equal(await ask(), 3)
})

test('a request that checks the services first does not use the cache', async (t) => {
  const { ask } = surveyed(t, 10_000)
  await ask()
  assert.equal(await ask('all', true), 2)
})

test('the status of a smaller set is not cached', async (t) => {
  const { ask } = surveyed(t, 9999)
  await ask()
  assert.equal(await ask(), 2)
})

test('at most four sets are cached', async (t) => {
  const { ask } = surveyed(t, 10_000)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await ask(name)
  assert.equal(await ask('d'), 5)
  assert.equal(await ask('e'), 6)
})
