/** Tests the answers about a service whose registration expired. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { ServiceDetail } from '../../src/http/services/service-detail.ts'
import { build, listen, nobody } from '../support/app.ts'

const secret = 'a-secret-of-the-tests'
const tokens = [{ name: 'tests', sha256: createHash('sha256').update(secret).digest('hex') }]
const sentence =
  'its registration was not renewed within its ttl of 1m: the program that registered it is gone or cannot reach Porthole'

async function start(t: TestContext, details: 'all' | 'token' = 'all') {
  const built = await build(t, [], { access: { tokens, details } })
  const headers = { authorization: `Bearer ${secret}` }
  const change = (method: 'PUT' | 'DELETE', name: string, payload?: object, more: Record<string, string> = {}) => {
    const request = { method, url: `/v1/services/${name}`, headers: { ...headers, ...more } }
    return built.app.inject(payload === undefined ? request : { ...request, payload })
  }
  const { registrations } = built.registrar
  /** Ends the time to live of a registration now. */
  const expire = (name: string) => {
    const { registration } = registrations.find(name) ?? assert.fail()
    registrations.expire(name, registration.revision, Date.now())
  }
  return { ...built, registrations, change, expire, asToken: (url: string) => built.get(url, headers) }
}

test('an expired service is down everywhere, with its reason, and its targets keep their own status', async (t) => {
  const { target } = await listen(t)
  const { change, expire, sweep, get } = await start(t)
  await change('PUT', 'pg', { targets: [target, nobody], quorum: 'any', groups: ['g'], ttl: '1m' })
  await sweep('pg')
  assert.equal((await get('/health/pg')).json().status, 'degraded')
  expire('pg')

  const health = await get('/health/pg')
  const { status, reason, message, targetsUp, targets } = health.json()
  assert.deepEqual([health.statusCode, status, reason, message, targetsUp], [503, 'down', 'expired', sentence, 1])
  assert.deepEqual(
    targets.map(({ status }: { status: string }) => status),
    ['up', 'down'],
  )
  const group = await get('/health?group=g')
  assert.deepEqual([group.statusCode, group.json().counts.down], [503, 1])
  const text = (await get('/health/pg', { accept: 'text/plain' })).body
  assert.ok(text.startsWith(`down      pg  1/2 up  expired: ${sentence}; ${nobody}: `), text)
  const draft = (await get('/health/pg', { accept: 'application/health+json' })).json()
  assert.equal(draft.status, 'fail')
  assert.ok(draft.output.startsWith(`expired: ${sentence}; ${nobody}: `), draft.output)

  const detail = ServiceDetail.strict().parse((await get('/v1/services/pg')).json())
  assert.deepEqual([detail.status, detail.reason, detail.message], ['down', 'expired', sentence])
  assert.ok(Date.parse(detail.expiresAt ?? '') <= Date.now())
  assert.deepEqual([detail.definition.ttl, detail.definition.expireAfter], ['1m', '10m'])
  const [listed] = (await get('/v1/services')).json().services
  assert.deepEqual([listed.status, listed.reason], ['down', 'expired'])
  const [discovered] = (await get('/v1/sd')).json()
  assert.deepEqual([discovered.targets, discovered.labels.__meta_porthole_status], [[target, nobody], 'down'])
  const [last] = (await get('/v1/transitions')).json().transitions
  assert.deepEqual(
    [last.target, last.from, last.to, last.reason, last.message],
    [null, 'degraded', 'down', 'expired', sentence],
  )
  const page = (await get('/metrics')).body
  for (const line of [
    'porthole_service_up{service="pg"} 0',
    'porthole_service_expired{service="pg"} 1',
    'porthole_group_up{group="g"} 0',
    `porthole_target_up{service="pg",target="${target}"} 1`,
    `porthole_target_down_reason{service="pg",target="${nobody}",reason="refused"} 1`,
  ])
    assert.ok(page.includes(`\n${line}\n`), line)
  assert.match((await get('/badge/pg.svg')).body, /aria-label="pg: down"/)
  for (const url of ['/', '/services/pg']) {
    const { body } = await get(url, { accept: 'text/html' })
    assert.ok(body.includes(sentence), url)
    assert.match(body, /data-status="down"/)
  }
})

test('a PUT renews an expired service at once, and a DELETE removes it at once', async (t) => {
  const { target } = await listen(t)
  const { change, expire, sweep, get } = await start(t)
  const body = { targets: [target], ttl: '1m' }
  const first = await change('PUT', 'pg', body)
  await sweep('pg')
  expire('pg')
  const again = await change('PUT', 'pg', body)
  assert.deepEqual([again.statusCode, again.headers.etag], [200, first.headers.etag])
  const { status, reason, message, expiresAt } = again.json()
  assert.deepEqual([status, reason, message], ['up', null, null])
  assert.ok(Date.parse(expiresAt) > Date.now())
  assert.doesNotMatch((await get('/metrics')).body, /porthole_service_expired\{/)
  expire('pg')
  assert.equal((await change('DELETE', 'pg')).statusCode, 204)
  assert.equal((await get('/health/pg')).statusCode, 404)
})

test('a drained service that expires stays draining, and reports both', async (t) => {
  const { change, expire, get } = await start(t)
  await change('PUT', 'pg', { targets: [nobody], ttl: '1m' })
  await change('PUT', 'pg/drain')
  expire('pg')
  const { status, reason } = (await get('/health/pg')).json()
  assert.deepEqual([status, reason], ['draining', 'expired'])
  assert.deepEqual((await get('/health')).json().counts, { up: 0, degraded: 0, down: 0, unknown: 0, draining: 1 })
})

test('a drain of a removed service can end, and no new drain of it can begin', async (t) => {
  const { change, registrations, get } = await start(t)
  const body = { targets: [nobody], ttl: '1m' }
  await change('PUT', 'pg', body)
  await change('PUT', 'pg/drain')
  registrations.forget('pg', 'expired')
  assert.equal((await get('/health/pg')).statusCode, 404)
  assert.equal((await change('PUT', 'pg/drain')).statusCode, 404)
  assert.equal((await change('DELETE', 'pg/drain')).statusCode, 204)
  assert.equal((await change('DELETE', 'pg/drain')).statusCode, 404)
  await change('PUT', 'pg', body)
  assert.equal((await get('/health/pg')).json().status, 'unknown')
})

test('an expireAfter without a ttl causes a warning that it has no effect', async (t) => {
  const { change } = await start(t)
  const { warnings } = (await change('PUT', 'pg', { targets: ['10.0.0.5:1'], expireAfter: '1m' })).json()
  assert.deepEqual(warnings, ['expireAfter has no effect without ttl: write a ttl, or remove it'])
})

test('a client without a token sees that a service is expired, and no sentence', async (t) => {
  const { change, expire, get, asToken } = await start(t, 'token')
  await change('PUT', 'pg', { targets: [nobody], ttl: '1m' })
  expire('pg')
  const { status, reason, message } = (await get('/health/pg')).json()
  assert.deepEqual([status, reason, message], ['down', 'expired', null])
  assert.equal((await get('/health/pg', { accept: 'text/plain' })).body, 'down      pg  0/1 up  expired\n')
  assert.equal((await asToken('/health/pg')).json().message, sentence)
  for (const url of ['/', '/services/pg']) {
    const { body } = await get(url, { accept: 'text/html' })
    assert.ok(body.includes('its registration has expired') && !body.includes('ttl'), url)
  }
})
