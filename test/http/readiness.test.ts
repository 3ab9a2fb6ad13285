import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build, nobody } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'

test('readiness does not wait for services that are checked only on demand', async (t) => {
  const { readiness } = await build(t, [sampleService('asleep', [nobody], { interval: 'off' })])
  assert.deepEqual(readiness.checks(), [
    { name: 'first-sweep', failure: null },
    { name: 'shutdown', failure: null },
  ])
})

test('once swept, a service added later does not take Porthole out of service', async (t) => {
  const early = sampleService('early', [nobody])
  const { readiness, sweep, put } = await build(t, [early])
  const swept = () => readiness.checks()[0]?.failure === null
  assert.equal(swept(), false)
  await sweep()
  assert.equal(swept(), true)
  put([early, sampleService('late', [nobody])])
  assert.equal(swept(), true)
})

test('readiness does not wait for a service that was removed before its first check', async (t) => {
  const { readiness, put } = await build(t, [sampleService('gone', [nobody])])
  assert.notEqual(readiness.checks()[0]?.failure, null)
  put([])
  assert.equal(readiness.checks()[0]?.failure, null)
})
