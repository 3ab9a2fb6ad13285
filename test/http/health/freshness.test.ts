import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Service, ServiceSettings } from '../../../src/domain/service/service.ts'
import { readFreshness } from '../../../src/http/health/freshness.ts'
import type { SetReport } from '../../../src/http/health/set-reports.ts'
import { build, holdChecks, listen, stoppedClock } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const directives: [string | undefined, number | undefined, number | null, boolean][] = [
  // Cache-Control, ?maxAge → maxAgeMs, onlyIfCached
  [undefined, undefined, null, false],
  ['', undefined, null, false],
  ['no-cache', undefined, 0, false],
  ['NO-CACHE', undefined, 0, false],
  ['max-age=5', undefined, 5000, false],
  ['max-age="5"', undefined, 5000, false],
  ['Max-Age=5 , foo=bar', undefined, 5000, false],
  ['max-age=0', undefined, 0, false],
  ['max-age=5, no-cache', undefined, 0, false],
  ['max-age=5, max-age=2', undefined, 2000, false],
  ['only-if-cached', undefined, null, true],
  ['only-if-cached, max-age=5', undefined, 5000, true],
  ['max-age=5', 2000, 2000, false],
  ['max-age=2', 5000, 2000, false],
  [undefined, 2000, 2000, false],
  ['only-if-cached', 2000, 2000, true],
  // directives that are unknown or malformed are ignored
  ['no-store', undefined, null, false],
  ['max-age', undefined, null, false],
  ['max-age=', undefined, null, false],
  ['max-age=-1', undefined, null, false],
  ['max-age=1.5', undefined, null, false],
  ['max-age=5s', undefined, null, false],
  ['x-max-age=5', undefined, null, false],
  [',,=,', undefined, null, false],
]

for (const [header, query, maxAgeMs, onlyIfCached] of directives) {
  test(`Cache-Control: ${header ?? 'not sent'} with ?maxAge ${query ?? 'not given'} asks for ${maxAgeMs} ms${onlyIfCached ? ', and no check' : ''}`, () => {
    assert.deepEqual(readFreshness(header, query), { maxAgeMs, onlyIfCached })
  })
}

/** Builds one service. Its checks succeed at once and are counted. */
async function buildCounted(t: TestContext, settings: Omit<ServiceSettings, 'targets'> = {}) {
  const clock = stoppedClock()
  const held = holdChecks(clock)
  let checks = 0
  const prober: typeof held = {
    ...held,
    check(request, ended) {
      checks++
      held.check(request, ended)
      queueMicrotask(() => held.answer())
    },
  }
  const built = await build(t, [sampleService('pg', ['db:5432'], settings)], { clock, prober })
  return { ...built, clock, count: () => checks }
}

test('a scheduled service is answered from memory unless the request sets an age', async (t) => {
  const { get, count, clock } = await buildCounted(t)
  for (const url of ['/health', '/health/pg']) {
    clock.advance(86_400_000)
    assert.equal((await get(url)).statusCode, 503)
  }
  assert.equal(count(), 0)
})

const wishes: [string, Record<string, string>, string][] = [
  ['max-age', { 'cache-control': 'max-age=5' }, ''],
  ['?maxAge', {}, '?maxAge=5s'],
  ['the stricter of both', { 'cache-control': 'max-age=60' }, '?maxAge=5s'],
]
for (const [what, headers, query] of wishes) {
  test(`${what} checks a target only when its last check is older`, async (t) => {
    const { get, count, clock } = await buildCounted(t)
    for (const url of [`/health${query}`, `/health/pg${query}`]) {
      const before = count()
      clock.advance(5001)
      assert.equal((await get(url, headers)).headers.age, '0')
      assert.equal(count(), before + 1)
      clock.advance(5000)
      assert.equal((await get(url, headers)).headers.age, '5')
      assert.equal(count(), before + 1)
    }
  })
}

test('no-cache always checks, but not within minAge of the last check', async (t) => {
  const { get, count, clock } = await buildCounted(t, { minAge: 2000 })
  const ask = async () => {
    assert.equal((await get('/health/pg?maxAge=0s', { 'cache-control': 'no-cache' })).statusCode, 200)
    return count()
  }
  assert.equal(await ask(), 1)
  clock.advance(2000)
  assert.equal(await ask(), 1)
  clock.advance(1)
  assert.equal(await ask(), 2)
})

test('a service without an interval is checked when its last outcome is older than maxAge', async (t) => {
  const { get, count, clock } = await buildCounted(t, { interval: 'off', maxAge: 5000 })
  for (const [ms, checks] of [
    [0, 1],
    [5000, 1],
    [1, 2],
    [4000, 2],
    [1001, 3],
  ] as const) {
    clock.advance(ms)
    assert.equal((await get('/health')).statusCode, 200)
    assert.equal(count(), checks)
  }
})

test('only-if-cached never checks, and is 504 while no outcome is fresh enough', async (t) => {
  const { get, count, clock, sweep } = await buildCounted(t, { interval: 'off' })
  const headers = { 'cache-control': 'only-if-cached' }
  const detail = 'Nothing fresh enough is known, and only-if-cached forbids a check.'
  for (const url of ['/health', '/health/pg']) {
    const response = await get(url, headers)
    assert.deepEqual([response.statusCode, response.json().detail], [504, detail])
  }
  assert.equal(count(), 0)
  await sweep()
  clock.advance(10_000)
  for (const url of ['/health', '/health/pg']) {
    assert.equal((await get(url, headers)).statusCode, 200)
    assert.equal((await get(url, { 'cache-control': 'only-if-cached, max-age=10' })).statusCode, 200)
    assert.equal((await get(url, { 'cache-control': 'only-if-cached, max-age=9' })).statusCode, 504)
    assert.equal((await get(`${url}?maxAge=9s`, headers)).statusCode, 504)
  }
  assert.equal(count(), 1)
})

test('answers carry the age of the oldest check in whole seconds, and no-store', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const services = [sampleService('old', ['a:1']), sampleService('new', ['b:1'])]
  const { get, sweep } = await build(t, services, { clock, prober })
  const check = async (name: string) => {
    const swept = sweep(name)
    prober.answer()
    await swept
  }
  await check('old')
  assert.equal((await get('/health')).headers.age, undefined)
  clock.advance(4000)
  await check('new')
  clock.advance(2999)
  for (const [url, age] of [
    ['/health', '6'],
    ['/health/old', '6'],
    ['/health/new', '2'],
  ] as const) {
    const { headers } = await get(url)
    assert.deepEqual([headers.age, headers['cache-control']], [age, 'no-store'])
  }
})

test('a hundred callers who ask at once share one dial', async (t) => {
  const { target, dials } = await listen(t)
  // A slow machine may need more than a second for a hundred requests. Within `minAge` the target is not dialled again.
  const { get, listen: serve } = await build(t, [sampleService('pg', [target], { minAge: 3_600_000 })])
  const url = await serve()
  const [head, ...rest] = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const response = await fetch(`${url}/health${i % 2 === 0 ? '' : '/pg'}?maxAge=0s`)
      await response.text()
      return response.status
    }),
  )
  assert.deepEqual([head, new Set(rest)], [200, new Set([200])])
  assert.equal((await get('/health/pg?maxAge=0s')).statusCode, 200)
  assert.equal(await dials(), 1)
})

test("each caller has its own deadline: one leaves, the other gets the dial's outcome", async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, target } = await build(t, [sampleService('pg', ['db:5432'], { interval: 'off' })], { clock, prober })
  let answered = false
  const patient = get('/health/pg').then((response) => {
    answered = true
    return response
  })
  const hasty = await get('/health/pg?wait=50ms')
  assert.deepEqual([hasty.statusCode, hasty.json().status], [503, 'unknown'])
  assert.deepEqual([answered, prober.held()], [false, 1])
  prober.answer()
  assert.equal((await patient).statusCode, 200)
  assert.equal(target('pg').checks, 1)
})

test('a caller that waits long enough receives the outcome of the dial', async (t) => {
  const { target } = await listen(t)
  const { get } = await build(t, [sampleService('pg', [target], { interval: 'off' })])
  assert.equal((await get('/health/pg?wait=30s')).statusCode, 200)
})

test('?wait has no effect when no check is needed', async (t) => {
  const { get, count, sweep } = await buildCounted(t)
  await sweep()
  assert.equal((await get('/health/pg?wait=0s')).statusCode, 200)
  assert.equal(count(), 1)
})

test('a caller that hangs up does not stop a check that others may wait for', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, listen: serve } = await build(t, [sampleService('pg', ['db:5432'], { interval: 'off' })], {
    clock,
    prober,
  })
  const url = await serve()
  const leaving = new AbortController()
  const left = fetch(`${url}/health/pg`, { signal: leaving.signal })
  while (prober.held() === 0) await new Promise(setImmediate)
  leaving.abort()
  await assert.rejects(left)
  const staying = get('/health/pg')
  prober.answer()
  assert.equal((await staying).statusCode, 200)
})

const [a, b] = ['a', 'b'].map((name) => sampleService(name, [`${name}:1`], { groups: ['g'] })) as [Service, Service]

/** Requests checks of `a`, or of both services. Replaces both services while the checks are under way. */
async function askMeanwhile(t: TestContext, url: string, changes: readonly (readonly Service[])[]) {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, put } = await build(t, [a, b], { clock, prober })
  const asked = get(url)
  while (prober.held() === 0) await new Promise(setImmediate)
  for (const services of changes) put(services)
  prober.answer()
  return asked
}

test('a service that is removed while it is checked is 404', async (t) => {
  const response = await askMeanwhile(t, '/health/a?maxAge=0s', [[b]])
  assert.deepEqual(
    [response.statusCode, response.json().detail],
    [404, 'No service is named "a": GET /health?verbose lists all services.'],
  )
})

test('a service that is removed and registered again while it is checked is reported as it is now', async (t) => {
  const again = sampleService('a', ['other:1', 'other:2'])
  const response = await askMeanwhile(t, '/health/a?maxAge=0s', [[], [again]])
  const { status, targets } = response.json<{ status: string; targets: { target: string }[] }>()
  assert.deepEqual(
    [response.statusCode, status, targets.map(({ target }) => target)],
    [503, 'unknown', ['other:1', 'other:2']],
  )
})

test('a service that is removed while a set is checked leaves the set', async (t) => {
  for (const url of ['/health?verbose&maxAge=0s', '/health?verbose&group=g&maxAge=0s']) {
    const response = await askMeanwhile(t, url, [[b]])
    const { status, services, warnings } = response.json<SetReport>()
    assert.deepEqual(
      [response.statusCode, status, services.map(({ service }) => service), warnings],
      [200, 'up', ['b'], []],
    )
  }
})

test('a set that loses too many services for its quorum is down, and says why', async (t) => {
  const response = await askMeanwhile(t, '/health?quorum=2&maxAge=0s', [[b]])
  const { status, warnings } = response.json<SetReport>()
  assert.deepEqual(
    [response.statusCode, status, warnings],
    [503, 'down', ['a quorum of 2 can never be met by 1 service: write at most 1']],
  )
})

test('a service that is registered while a set is checked is not part of the set', async (t) => {
  const response = await askMeanwhile(t, '/health?verbose&maxAge=0s', [[a, b, sampleService('c', ['c:1'])]])
  const { status, services } = response.json<SetReport>()
  assert.deepEqual([status, services.map(({ service }) => service)], ['up', ['a', 'b']])
})
