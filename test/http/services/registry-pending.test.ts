/** Tests the answers of every route until the registry is read, because a missing service may still exist. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createRegistryLoad } from '../../../src/monitor/registry/registry-load.ts'
import { rendered } from '../../metrics/page.ts'
import { type Built, build, holdChecks, stoppedClock } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const why = 'Redis at 192.0.2.1:6379 says nothing'
const token = 'a-token-for-these-tests'
const tokens = [{ name: 'test', sha256: hash('sha256', token) }]
const authorization = `Bearer ${token}`

/** Builds Porthole with a service that is up and one that is down, each in a group. The registry is not read yet. */
async function buildPending(t: TestContext, details: 'all' | 'token' = 'all') {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const load = createRegistryLoad(() => why)
  const services = [
    sampleService('web', ['web:1'], { groups: ['good', 'all'] }),
    sampleService('db', ['db:1'], { groups: ['bad', 'all', 'any'] }),
    sampleService('mq', ['mq:1'], { groups: ['any'] }),
  ]
  const built = await build(t, services, {
    clock,
    prober,
    load,
    access: { tokens, details },
    groups: { any: { quorum: 'any' } },
  })
  const settle = async (name: string, reason: 'connected' | 'refused') => {
    const swept = built.sweep(name)
    prober.answer({ reason })
    await swept
  }
  await settle('web', 'connected')
  await settle('db', 'refused')
  await settle('mq', 'refused')
  return { ...built, clock, load, prober }
}

/** Returns the status code, the media type, Retry-After, and the sentence or the status of an answer. */
async function ask(
  { app }: Built,
  url: string,
  more: {
    method?: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
    headers?: Record<string, string>
    payload?: object
  } = {},
) {
  const { method = 'GET', headers = {}, payload } = more
  return app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) })
}

test('the list for Prometheus is 503 with Retry-After and a cause until the registry is read', async (t) => {
  const built = await buildPending(t)
  for (const url of ['/v1/sd', '/v1/sd?group=good', '/v1/sd?group=none']) {
    const answer = await ask(built, url)
    assert.equal(answer.statusCode, 503)
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
    assert.equal(answer.headers['retry-after'], '5')
    assert.equal(
      answer.json().detail,
      `There is no list of services: the registry was not read yet, so services may be missing: ${why}.`,
    )
    assert.equal((await ask(built, url, { method: 'HEAD' })).statusCode, 503)
  }
  built.load.finish()
  assert.equal((await ask(built, '/v1/sd')).json().length, 3)
  assert.deepEqual((await ask(built, '/v1/sd?group=none')).json(), [])
})

test('an unknown name is 503 on every route until the registry is read, then 404', async (t) => {
  const built = await buildPending(t)
  const headers = { authorization }
  const asked = [
    { url: '/health/other' },
    { url: '/health/other?maxAge=1s' },
    { url: '/health/other', method: 'HEAD' },
    { url: '/health/other', headers: { accept: 'text/plain' } },
    { url: '/health?group=other' },
    { url: '/health?group=good&group=other' },
    { url: '/v1/services/other' },
    { url: '/v1/services/other/checks', method: 'POST' },
    { url: '/v1/services/other/uptime' },
    { url: '/v1/services/other/transitions' },
    { url: '/v1/services/other/drain', method: 'PUT', headers },
    { url: '/v1/services/other/drain', method: 'DELETE', headers },
    { url: '/v1/services/other', method: 'DELETE', headers },
    { url: '/services/other' },
    { url: '/services/other', headers: { accept: 'text/html' } },
    { url: '/badge/other.svg' },
    { url: '/badge/other.svg?uptime=24h' },
    { url: '/badge/other.svg', headers: { accept: 'image/svg+xml' } },
  ] as const
  for (const { url, ...more } of asked) {
    const { statusCode, headers, body } = await ask(built, url, more)
    assert.deepEqual([statusCode, headers['retry-after']], [503, '5'], `${url} ${body}`)
    // No answer may show the service for longer.
    assert.ok(!/max-age/.test(String(headers['cache-control'])), url)
  }
  built.load.finish()
  for (const { url, ...more } of asked) {
    const { statusCode, headers } = await ask(built, url, more)
    assert.deepEqual([statusCode, headers['retry-after']], [404, undefined], url)
  }
})

test('a known service answers as usual', async (t) => {
  const built = await buildPending(t)
  const answers = async () => {
    const asked = ['/health/web', '/health/db', '/v1/services/web', '/v1/services/web/uptime', '/badge/web.svg']
    return Promise.all(
      asked.map(async (url) => [url, (await ask(built, url)).statusCode, (await ask(built, url)).body]),
    )
  }
  const before = await answers()
  assert.deepEqual(
    before.map(([, code]) => code),
    [200, 503, 200, 200, 200],
  )
  built.load.finish()
  assert.deepEqual(await answers(), before)
})

test('while services may be missing a set is unknown, unless a service that is down decides its status', async (t) => {
  const built = await buildPending(t)
  const status = async (query: string) => {
    const { statusCode, body } = await ask(built, `/health${query}`)
    return [statusCode, JSON.parse(body).status]
  }
  assert.deepEqual(await status('?group=good'), [503, 'unknown'])
  assert.deepEqual(await status('?group=good&quorum=any'), [503, 'unknown'])
  assert.deepEqual(await status('?group=bad'), [503, 'down'])
  assert.deepEqual(await status(''), [503, 'down'])
  // Another service of the group may be up.
  assert.deepEqual(await status('?group=any'), [503, 'unknown'])
  built.load.finish()
  assert.deepEqual(await status('?group=good'), [200, 'up'])
  assert.deepEqual(await status('?group=any'), [503, 'down'])
})

test('a set says in every media type that services may be missing, and omits warnings that missing services could refute', async (t) => {
  const built = await buildPending(t)
  const warning = `the registry was not read yet, so services may be missing: ${why}`
  const set = (query: string, accept = 'application/json') =>
    ask(built, `/health?group=good${query}`, { headers: { accept } })
  assert.deepEqual((await set('')).json().warnings, [warning])
  assert.match((await set('', 'text/plain')).body, new RegExp(`^unknown: .*\nwarning: ${warning}\n`))
  const { status, output } = (await set('', 'application/health+json')).json()
  assert.deepEqual([status, output], ['fail', warning])
  // A quorum of three may still be met, and an excluded service may still exist.
  const asked = await set('&quorum=3&exclude=other')
  assert.deepEqual([asked.statusCode, asked.json().warnings], [503, [warning]])
  built.load.finish()
  assert.deepEqual((await set('')).json().warnings, [])
  assert.equal((await set('&quorum=3')).statusCode, 400)
})

test('a set that was requested before the registry was read is reported as it was then', async (t) => {
  const built = await buildPending(t)
  const { clock, prober } = built
  clock.advance(2000)
  const asked = ask(built, '/health?group=good&maxAge=1s')
  for (let turn = 0; prober.held() === 0 && turn < 10_000; turn++) await setImmediate()
  assert.equal(prober.held(), 1)
  built.load.finish()
  prober.answer({ reason: 'connected' })
  assert.deepEqual((await asked).json().status, 'unknown')
  assert.equal((await ask(built, '/health?group=good')).json().status, 'up')
})

test('changes with any precondition are refused, and nothing is registered', async (t) => {
  const built = await buildPending(t)
  const payload = { targets: ['127.0.0.1:1'] }
  for (const condition of [{}, { 'if-none-match': '*' }, { 'if-match': '*' }]) {
    for (const method of ['PUT', 'DELETE'] as const) {
      const { statusCode, body, headers } = await ask(built, '/v1/services/new', {
        method,
        headers: { authorization, ...condition },
        ...(method === 'PUT' ? { payload } : {}),
      })
      assert.equal(statusCode, 503)
      assert.equal(headers['retry-after'], '5')
      assert.equal(JSON.parse(body).detail, `Nothing was changed, because it could not be saved: ${why}.`)
    }
  }
  built.load.finish()
  assert.equal(built.registry.services.has('new'), false)
  const headers = { authorization, 'if-none-match': '*' }
  assert.equal((await ask(built, '/v1/services/new', { method: 'PUT', headers, payload })).statusCode, 201)
})

test('the list of services and the status page carry the warning', async (t) => {
  const built = await buildPending(t)
  const services = async () => (await ask(built, '/v1/services?limit=1')).json()
  assert.deepEqual((await services()).warnings, [`the registry was not read yet, so services may be missing: ${why}`])
  const page = async () => (await ask(built, '/', { headers: { accept: 'text/html' } })).body
  assert.match(await page(), /<b>Incomplete<\/b> The registry was not read yet, so services may be missing: Redis at/)
  assert.match(await page(), /data-key="good"><a class="group" data-filter data-status="unknown"/)
  built.load.finish()
  assert.deepEqual((await services()).warnings, [])
  // The page does not show the earlier state from a cache.
  assert.doesNotMatch(await page(), /Incomplete|not read yet/)
  assert.match(await page(), /data-key="good"><a class="group" data-filter data-status="up"/)
})

test('in the metrics groups are not up, services are as usual, and a gauge says that services may be missing', async (t) => {
  const built = await buildPending(t)
  const lines = async () => {
    const page = await rendered(built.metrics)
    return page.match(/^porthole_(group_up|service_up|registry_known).*$/gm)?.sort()
  }
  const others = [
    'porthole_service_up{service="db"} 0',
    'porthole_service_up{service="mq"} 0',
    'porthole_service_up{service="web"} 1',
  ]
  const groups = (good: 0 | 1) => [
    'porthole_group_up{group="all"} 0',
    'porthole_group_up{group="any"} 0',
    'porthole_group_up{group="bad"} 0',
    `porthole_group_up{group="good"} ${good}`,
  ]
  assert.deepEqual(await lines(), [...groups(0), 'porthole_registry_known 0', ...others])
  built.load.finish()
  assert.deepEqual(await lines(), [...groups(1), 'porthole_registry_known 1', ...others])
})

test('clients without a token do not learn why the registry waits', async (t) => {
  const built = await buildPending(t, 'token')
  for (const url of ['/health', '/health/other', '/health?group=other', '/services/other', '/badge/other.svg', '/']) {
    const answer = await ask(built, url)
    assert.match(answer.body, /the registry was not read yet, so services may be missing/i, url)
    assert.doesNotMatch(answer.body, /192\.0\.2\.1/, url)
  }
  assert.match((await ask(built, '/health', { headers: { authorization } })).body, /192\.0\.2\.1/)
})
