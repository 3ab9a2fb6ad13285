import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createRefresh } from '../../../src/monitor/scheduling/refresh.ts'
import type { Check, TargetState } from '../../../src/monitor/state/state.ts'
import { sampleService } from '../../support/samples.ts'
import { countingSlices } from '../../support/slices.ts'
import { isSettled, watch } from '../fakes.ts'

/** Creates `count` unchecked targets, and records the requested checks. No check runs; the test ends it. */
function watchMany(count: number) {
  const { monitor, registry, clock } = watch([
    sampleService(
      'pg',
      Array.from({ length: count }, (_, i) => `db-${i}:5432`),
    ),
  ])
  const asked: Check[] = []
  const checks = new Map<TargetState, Check>()
  const ask = (state: TargetState): Check => {
    const check = checks.get(state) ?? { state, due: null, hasBegun: false, known: null, callers: null }
    checks.set(state, check)
    asked.push(check)
    return check
  }
  return {
    registry,
    services: [...monitor.services.values()],
    refresh: createRefresh({ checkQueue: { ask }, clock, slices: countingSlices() }),
    asked,
    /** Returns the callbacks of all callers that wait. */
    callers: () => [...checks.values()].flatMap(({ callers }) => callers ?? []),
  }
}

test('many checks are requested in batches, and the caller waits for all of them', async () => {
  const { services, refresh, asked, callers } = watchMany(5000)
  const refreshed = refresh(services, 0)
  const steps = [asked.length]
  for (; asked.length < 5000; steps.push(asked.length)) await setImmediate()
  const most = Math.max(...steps.map((step, index) => step - (steps[index - 1] ?? 0)))
  assert.ok(most <= 500, `${most} at once`)
  for (const caller of callers().slice(1)) caller()
  assert.equal(await isSettled(refreshed), false)
  callers()[0]?.()
  assert.equal(await isSettled(refreshed), true)
})

test('ten callers that need many checks request them no faster than one caller', async () => {
  const { services, refresh, asked } = watchMany(5000)
  for (let i = 0; i < 10; i++) void refresh(services, 0, 1)
  const before = asked.length
  await setImmediate()
  assert.ok(asked.length > before && asked.length <= before + 500, `${asked.length - before} at once`)
})

test('a caller that does not wait leaves no callback behind, and all its checks are requested', async () => {
  const { services, refresh, asked, callers } = watchMany(1000)
  await refresh(services, 0, 0)
  while (asked.length < 1000) await setImmediate()
  assert.deepEqual(callers(), [])
})

test('no check of a removed target is requested', async () => {
  const { services, registry, refresh, asked } = watchMany(1000)
  const refreshed = refresh(services, 0)
  const before = asked.length
  registry.replaceAll([], [])
  for (const { callers } of asked) for (const caller of callers ?? []) caller()
  await refreshed
  assert.equal(asked.length, before)
})
