import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { buildApp } from '../../../src/app.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import { ServiceDetail } from '../../../src/http/services/service-detail.ts'
import { createPortableProber } from '../../../src/prober/portable.ts'
import { createRegistrar } from '../../../src/registrar/registrar.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { openSqliteStore } from '../../../src/store/sqlite/sqlite.ts'
import { type Built, build, listen, nobody } from '../../support/app.ts'
import { createParts } from '../../support/parts.ts'
import { sampleService } from '../../support/samples.ts'

const secret = 'a-secret-of-the-tests'
const tokens = [{ name: 'tests', sha256: createHash('sha256').update(secret).digest('hex') }]

type Options = Omit<NonNullable<Parameters<typeof build>[2]>, 'access'>
type Change = { readonly body?: unknown; readonly headers?: Record<string, string> }

async function start(t: TestContext, services: readonly Service[] = [], options: Options = {}) {
  const built = await build(t, services, { ...options, access: { tokens } })
  const change = (method: 'PUT' | 'DELETE', url: string, { body, headers = {} }: Change = {}) => {
    const request: InjectOptions = { method, url, headers: { authorization: `Bearer ${secret}`, ...headers } }
    return built.app.inject(body === undefined ? request : { ...request, payload: body as object })
  }
  const put = (name: string, body: unknown, headers: Record<string, string> = {}) =>
    change('PUT', `/v1/services/${name}`, { body, headers })
  const remove = (name: string, headers: Record<string, string> = {}) =>
    change('DELETE', `/v1/services/${name}`, { headers })
  return { ...built, change, put, remove }
}

const pg = { targets: ['pg:5432'] }

async function names({ get }: Pick<Built, 'get'>): Promise<string[]> {
  const { services } = (await get('/v1/services')).json()
  return services.map(({ service }: { service: string }) => service)
}

test('a PUT registers a service, which is checked and counted; a DELETE removes it', async (t) => {
  const { target } = await listen(t)
  const { put, remove, get, sweep } = await start(t)
  const created = await put('web', { targets: [target], groups: ['shop'], interval: '1s' })
  assert.equal(created.statusCode, 201)
  const detail = ServiceDetail.parse(created.json())
  assert.deepEqual([detail.service, detail.origin, detail.definedAt, detail.expiresAt], ['web', 'http', null, null])
  assert.equal(detail.definition.interval, '1s')

  await sweep('web')
  const health = await get('/health/web')
  assert.deepEqual([health.statusCode, health.json().status], [200, 'up'])
  assert.equal((await get('/health?group=shop')).statusCode, 200)
  assert.match((await get('/metrics')).body, /porthole_service_up\{service="web"\} 1/)

  const gone = await remove('web')
  assert.deepEqual([gone.statusCode, gone.body], [204, ''])
  assert.equal((await get('/health/web')).statusCode, 404)
  assert.equal((await get('/health?group=shop')).statusCode, 404)
  assert.doesNotMatch((await get('/metrics')).body, /service="web"/)
  assert.equal((await remove('web')).statusCode, 404)
})

test('the same PUT again changes nothing, and answers 200 with the same tag', async (t) => {
  const { put } = await start(t)
  const first = await put('pg', pg)
  const again = await put('pg', { targets: ['pg:5432'], interval: undefined })
  assert.deepEqual([first.statusCode, again.statusCode], [201, 200])
  assert.equal(again.headers.etag, first.headers.etag)
  const other = await put('pg', { ...pg, timeout: '1500ms' })
  assert.equal(other.statusCode, 200)
  assert.notEqual(other.headers.etag, first.headers.etag)
})

test('PUT accepts the definition that GET shows, with the same meaning', async (t) => {
  const { put, get } = await start(t)
  await put('pg', {
    targets: ['pg:5432', '[::1]:1'],
    quorum: 1,
    groups: ['a'],
    ttl: '90s',
    interval: 'off',
    resolve: 'all',
  })
  const { definition } = (await get('/v1/services/pg')).json()
  assert.equal((await put('copy', definition)).statusCode, 201)
  assert.deepEqual((await get('/v1/services/copy')).json().definition, definition)
})

test('of two clients that read the same version only the first can replace it', async (t) => {
  const { put, get, remove } = await start(t)
  await put('pg', pg)
  const { etag } = (await get('/v1/services/pg')).headers
  assert.ok(typeof etag === 'string')
  const first = await put('pg', { ...pg, fall: 4 }, { 'if-match': etag })
  assert.equal(first.statusCode, 200)
  const second = await put('pg', { ...pg, fall: 5 }, { 'if-match': etag })
  assert.equal(second.statusCode, 412)
  assert.equal(second.headers.etag, first.headers.etag)
  assert.match(second.json().detail, /read it again/)
  assert.equal((await remove('pg', { 'if-match': etag })).statusCode, 412)
  assert.equal((await get('/v1/services/pg')).json().definition.fall, 4)
  assert.equal((await remove('pg', { 'if-match': `"1", ${first.headers.etag}` })).statusCode, 204)
  assert.equal((await remove('pg', { 'if-match': '*' })).statusCode, 412)
  assert.equal((await put('pg', pg, { 'if-match': '*' })).statusCode, 412)
})

test('a tag from before a deletion does not match a later registration', async (t) => {
  const { put, remove } = await start(t)
  const first = await put('pg', pg)
  await remove('pg')
  await put('pg', pg)
  assert.equal((await put('pg', { ...pg, fall: 9 }, { 'if-match': String(first.headers.etag) })).statusCode, 412)
})

test('each of many concurrent writers is answered with the version that it wrote', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'porthole-'))
  t.after(() => rmSync(directory, { recursive: true }))
  // This store answers concurrent requests together.
  const opened = await openSqliteStore({ directory, retention: { maxCount: 1000, maxAgeMs: 3_600_000 } })
  assert.ok(opened.ok)
  const store = opened.value
  t.after(() => store.close())
  const clock = systemClock()
  const prober = createPortableProber({ clock })
  t.after(() => prober.close())
  const parts = createParts({ prober, clock, access: { tokens } })
  const registrar = createRegistrar({ ...parts, store })
  const app = await buildApp({ ...parts, registrar })
  t.after(() => app.close())
  const headers = { authorization: `Bearer ${secret}` }
  const falls = Array.from({ length: 20 }, (_, index) => index + 1)
  const answers = await Promise.all(
    falls.map((fall) => app.inject({ method: 'PUT', url: '/v1/services/pg', headers, payload: { ...pg, fall } })),
  )
  assert.deepEqual(
    answers.map((answer) => answer.json().definition.fall),
    falls,
  )
  assert.equal(new Set(answers.map((answer) => answer.headers.etag)).size, falls.length)
  const last = await app.inject({ url: '/v1/services/pg' })
  const author = answers.find((answer) => answer.headers.etag === last.headers.etag)
  assert.deepEqual(author?.json().definition, last.json().definition)
})

test('the log names the token and the service of each change once, and contains no token', async (t) => {
  const lines: string[] = []
  const logger = { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  const { put, remove, change } = await start(t, [], { logger })
  await put('pg', { ...pg, ttl: '30s' })
  await put('pg', { ...pg, ttl: '30s' })
  await put('pg', pg)
  await put('pg', pg, { 'if-none-match': '*' })
  await change('PUT', '/v1/services/pg/drain')
  await change('DELETE', '/v1/services/pg/drain')
  await remove('pg')
  await remove('pg')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ msg, service, by, from }) => `${msg}: ${service} ${by} ${from}`),
    [
      'service registered',
      'service definition replaced',
      'service drained',
      'service no longer drained',
      'service deregistered',
    ].map((what) => `${what}: pg tests 127.0.0.1`),
  )
  assert.doesNotMatch(lines.join(''), /secret/)
})

test('If-None-Match: * creates and never replaces, also for concurrent requests', async (t) => {
  const { put } = await start(t)
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, fall) => put('pg', { ...pg, fall: fall + 1 }, { 'if-none-match': '*' })),
  )
  assert.deepEqual(answers.map(({ statusCode }) => statusCode).sort(), [201, ...Array(9).fill(412)])
})

test('a malformed precondition is 400 with a remedy', async (t) => {
  const { put, remove } = await start(t)
  for (const headers of [{ 'if-match': '17' }, { 'if-none-match': '"17"' }]) {
    for (const answer of [await put('pg', pg, headers), await remove('pg', headers)]) {
      assert.equal(answer.statusCode, 400)
      assert.match(answer.json().detail, /write/)
    }
  }
})

test('a service of the file is read only, and the answer says where it is defined', async (t) => {
  const { put, remove, get } = await start(t, [sampleService('pg', ['pg:5432'])])
  for (const answer of [await put('pg', pg), await remove('pg')]) {
    assert.equal(answer.statusCode, 409)
    assert.match(answer.json().detail, /^The service "pg" is defined .*: change it there\.$/)
  }
  const answer = await get('/v1/services/pg')
  assert.equal(answer.json().origin, 'file')
  assert.equal(answer.headers.etag, undefined)
})

test('every problem of a body is listed with its place', async (t) => {
  const { put, get } = await start(t)
  const answer = await put('pg', { targets: ['pg', 'mq:1'], interval: '2', falls: 3 })
  assert.equal(answer.statusCode, 400)
  const { errors } = answer.json()
  assert.deepEqual(errors.map((error: { in: string; pointer: string }) => `${error.in} ${error.pointer}`).sort(), [
    'body ',
    'body /interval',
    'body /targets/0',
  ])
  assert.match(answer.json().detail, /"pg" has no port.*"2" has no unit/s)
  assert.match(answer.json().detail, /unknown key falls: .*fall, .*ttl/)
  assert.deepEqual(await names({ get }), [])
})

test('a body that is not JSON, of another type or missing is refused, and nothing is registered', async (t) => {
  const { app, get, put } = await start(t)
  const send = (payload: string | undefined, type: string) =>
    app.inject({
      method: 'PUT',
      url: '/v1/services/pg',
      headers: { authorization: `Bearer ${secret}`, 'content-type': type },
      ...(payload === undefined ? {} : { payload }),
    })
  assert.equal((await send('{"targets":', 'application/json')).statusCode, 400)
  assert.equal((await send(undefined, 'application/json')).statusCode, 400)
  assert.equal((await send('{"targets":["a:1"]}', 'text/plain')).statusCode, 415)
  assert.equal((await send('{"__proto__":{"targets":["a:1"]}}', 'application/json')).statusCode, 400)
  for (const body of [[], 'text', 1, null]) {
    const answer = await send(JSON.stringify(body), 'application/json')
    assert.equal(answer.statusCode, 400, JSON.stringify(body))
  }
  assert.equal((await put('pg', {})).statusCode, 400)
  assert.deepEqual(await names({ get }), [])
})

test('an invalid name is refused', async (t) => {
  const { put } = await start(t)
  for (const name of ['%20pg', 'pg%0a', '%00', 'x'.repeat(201)]) {
    const answer = await put(name, pg)
    assert.equal(answer.statusCode, 400, name)
    assert.equal(answer.json().errors[0].in, 'params')
  }
  assert.equal((await put(encodeURIComponent('x/ß/🦆'.repeat(20)), pg)).statusCode, 201)
})

test('the length of a name counts characters, not UTF-16 code units', async (t) => {
  const { put } = await start(t, [], { limits: { nameLength: 100 } })
  const created = await put(encodeURIComponent('🦆'.repeat(100)), { ...pg, groups: ['🦆'.repeat(100)] })
  assert.equal(created.statusCode, 201)
  const long = await put(encodeURIComponent('🦆'.repeat(101)), pg)
  assert.match(long.json().detail, /^101 characters, and limits\.nameLength allows 100/)
})

test('every exceeded limit is named, beside the others', async (t) => {
  const limits = { targets: 2, groups: 1, nameLength: 5, targetLength: 10, bodyBytes: 1024 }
  const { put } = await start(t, [], { limits })
  assert.equal((await put('12345', { targets: ['a:1', 'abcdefg:80'], groups: ['12345'] })).statusCode, 201)
  const answer = await put('123456', { targets: ['a:1', 'b:1', 'abcdefgh:80'], groups: ['a', '123456'] })
  assert.equal(answer.statusCode, 400)
  const { errors, detail } = answer.json()
  assert.deepEqual(
    errors.map((error: { in: string; pointer: string }) => `${error.in} ${error.pointer}`),
    ['params /service', 'body /targets', 'body /targets/2', 'body /groups', 'body /groups/1'],
  )
  for (const limit of ['nameLength', 'targets', 'targetLength', 'groups'])
    assert.match(detail, new RegExp(`limits\\.${limit}`))
  const large = await put('pg', { targets: Array(200).fill('abcdef:8') })
  assert.equal(large.statusCode, 413)
})

test('a service beyond the limit is refused, and existing services can still be changed', async (t) => {
  const { put, remove } = await start(t, [sampleService('file', ['a:1'])], { limits: { services: 2 } })
  assert.equal((await put('pg', pg)).statusCode, 201)
  const full = await put('mq', pg)
  assert.equal(full.statusCode, 409)
  assert.match(full.json().detail, /there are 2 services, and limits\.services allows no more/)
  assert.equal((await put('pg', { ...pg, fall: 7 })).statusCode, 200)
  assert.equal((await remove('pg')).statusCode, 204)
  assert.equal((await put('mq', pg)).statusCode, 201)
})

test('a service with a ttl reports when it ends, and every registration restarts it', async (t) => {
  const { put, get } = await start(t)
  const first = (await put('pg', { ...pg, ttl: '30s' })).json()
  assert.equal(first.definition.ttl, '30s')
  const inMs = Date.parse(first.expiresAt) - Date.now()
  assert.ok(inMs <= 30_000, `${inMs} ms`)
  const again = (await put('pg', { ...pg, ttl: '30s' })).json()
  assert.ok(Date.parse(again.expiresAt) >= Date.parse(first.expiresAt))
  assert.equal((await get('/v1/services/pg')).json().expiresAt, again.expiresAt)
})

test('a port whose server counts aborted logins causes a warning, unless checks are half-open', async (t) => {
  const { put, get } = await start(t)
  const warned = (await put('mysql', { targets: ['db:3306'], close: 'rst' })).json()
  assert.match(warned.warnings.join(), /max_connect_errors.*half-open/)
  assert.deepEqual((await get('/v1/services/mysql')).json().warnings, warned.warnings)
  assert.deepEqual((await put('mysql', { targets: ['db:3306'] })).json().warnings, [])
})

test('an address that the dial rules forbid is registered with a warning, and never dialled', async (t) => {
  const listener = await listen(t)
  const { put, get, sweep } = await start(t, [], { dial: {} })
  const created = await put('own', { targets: [listener.target] })
  assert.match(created.json().warnings.join(), /loopback/)
  await sweep('own')
  const health = await get('/health/own')
  assert.equal(health.statusCode, 503)
  const { status, targets } = health.json()
  assert.deepEqual([status, targets[0].status, targets[0].reason], ['unknown', 'unknown', 'denied'])
  assert.match(targets[0].message, /loopback/)
  assert.equal(await listener.dials(), 0)
})

test('the dial rules do not apply to services of the file', async (t) => {
  const listener = await listen(t)
  const { get, sweep } = await start(t, [sampleService('own', [listener.target])], { dial: {} })
  await sweep('own')
  assert.equal((await get('/health/own')).statusCode, 200)
})

test('a change without a token is refused with a remedy', async (t) => {
  const { app, get } = await start(t)
  const without = (method: 'PUT' | 'DELETE', url: string) =>
    app.inject({ method, url, ...(method === 'PUT' ? { payload: pg } : {}) })
  for (const url of ['/v1/services/pg', '/v1/services/pg/drain']) {
    for (const method of ['PUT', 'DELETE'] as const) {
      const answer = await without(method, url)
      assert.equal(answer.statusCode, 401, `${method} ${url}`)
      assert.match(String(answer.headers['www-authenticate']), /^Bearer/)
    }
  }
  assert.deepEqual(await names({ get }), [])
})

test('a drained service answers 503 draining until its drain ends', async (t) => {
  const { target } = await listen(t)
  const { change, get, sweep } = await start(t, [sampleService('web', [target]), sampleService('mq', [nobody])])
  await sweep()
  assert.equal((await get('/health/web')).statusCode, 200)
  for (const _ of ['once', 'twice']) assert.equal((await change('PUT', '/v1/services/web/drain')).statusCode, 204)
  const drained = await get('/health/web')
  assert.deepEqual([drained.statusCode, drained.json().status, drained.json().targetsUp], [503, 'draining', 1])
  assert.equal((await get('/v1/services/web')).json().status, 'draining')
  for (const _ of ['once', 'twice']) assert.equal((await change('DELETE', '/v1/services/web/drain')).statusCode, 204)
  assert.equal((await get('/health/web')).statusCode, 200)
  assert.equal((await change('PUT', '/v1/services/none/drain')).statusCode, 404)
})

test('drains and deletions accept only an empty body or {}, and refuse any other without a change', async (t) => {
  const { app, put, get } = await start(t, [sampleService('web', [nobody])])
  await put('mq', { targets: [nobody] })
  const send = (method: 'PUT' | 'DELETE', url: string, payload: string, headers = {}) =>
    app.inject({ method, url, payload, headers: { authorization: `Bearer ${secret}`, ...headers } })
  const isDrained = async () => (await get('/health/web')).json().status === 'draining'
  const refused = await send('PUT', '/v1/services/web/drain', '{"for":"1h"}', { 'content-type': 'application/json' })
  assert.deepEqual([refused.statusCode, await isDrained()], [400, false])
  assert.equal(refused.json().detail, 'This takes no body, and nothing was changed: send none, or {}.')
  assert.equal((await send('PUT', '/v1/services/web/drain', '{}')).statusCode, 204)
  assert.equal(await isDrained(), true)
  assert.equal((await send('DELETE', '/v1/services/web/drain', 'drained')).statusCode, 400)
  assert.equal(await isDrained(), true)
  assert.equal((await send('DELETE', '/v1/services/web/drain', '')).statusCode, 204)
  assert.equal((await send('DELETE', '/v1/services/mq', '{"force":true}')).statusCode, 400)
  assert.equal((await get('/health/mq')).json().service, 'mq')
  assert.equal((await send('DELETE', '/v1/services/mq', '{}', { 'content-type': 'application/json' })).statusCode, 204)
})
