import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReportCache } from '../../../src/http/health/report-cache.ts'
import { watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'

/** A service with an interval so long that only the test changes its report. */
function createSample() {
  const { clock, service, target, checkOnce } = watch([sampleService('pg', ['a:1'], { interval: 3_600_000 })])
  const render = createReportCache(clock)
  return {
    clock,
    read: (details = true) => render(service('pg'), details),
    check: () => checkOnce(target('pg', 'a:1'), 'connected'),
  }
}

test('a report is rendered once until it changes, with details and without', async () => {
  const { read, check } = createSample()
  await check()
  read()
  const [one, bare] = [read(), read(false)]
  assert.equal(read(), one)
  assert.equal(read(false), bare)
  assert.notEqual(one.json, bare.json)
  await check()
  assert.notEqual(read(), one)
})

test('the report of a service that is requested once is not cached', async () => {
  const { clock, read, check } = createSample()
  await check()
  const one = read()
  clock.advance(10_000)
  const another = read()
  assert.notEqual(another, one)
  const third = read()
  assert.notEqual(third, another)
  assert.equal(read(), third)
})

test('a report is cached for ten seconds at most', async () => {
  const { clock, read, check } = createSample()
  await check()
  read()
  const one = read()
  clock.advance(9_999)
  assert.equal(read(), one)
  clock.advance(1)
  const another = read()
  assert.notEqual(another, one)
  assert.equal(another.json, one.json)
})
