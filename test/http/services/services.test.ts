import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import fastify, { type LightMyRequestResponse } from 'fastify'
import { defaultLimits } from '../../../src/domain/service/limits.ts'
import { type PolicyFieldName, PolicySettings } from '../../../src/domain/service/policy-settings.ts'
import { buildService, type Service, ServiceName, ServiceSettings } from '../../../src/domain/service/service.ts'
import { defineService, ServiceDefinition } from '../../../src/domain/service/service-definition.ts'
import { createDialRules } from '../../../src/domain/target/dial-rules.ts'
import { answerError, answerWithProblems } from '../../../src/http/answers/problem.ts'
import { ServiceReport } from '../../../src/http/health/reports.ts'
import { closeAfterUnreadBody } from '../../../src/http/requests/no-body.ts'
import { compileRequestSchema, compileResponseSchema } from '../../../src/http/requests/schemas.ts'
import { createNameOrder } from '../../../src/http/services/name-order.ts'
import { ServiceDetail } from '../../../src/http/services/service-detail.ts'
import { ServicePage } from '../../../src/http/services/service-list.ts'
import { readCursor, writeCursor } from '../../../src/http/services/service-query.ts'
import { serviceRoutes } from '../../../src/http/services/services.ts'
import { createRegistrar } from '../../../src/registrar/registrar.ts'
import { createTimeSlices } from '../../../src/runtime/time-slices.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import { isSettled, watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'

/** Builds a server with only these routes, over a monitor with a fake clock and a fake prober. */
async function build(t: TestContext, services: readonly Service[] = []) {
  const state = watch(services)
  const app = fastify({
    routerOptions: { maxParamLength: 1000, ignoreTrailingSlash: true },
    frameworkErrors: answerError,
  })
  app.setValidatorCompiler(compileRequestSchema)
  app.setSerializerCompiler(compileResponseSchema)
  answerWithProblems(app)
  closeAfterUnreadBody(app.server)
  const { registry, clock } = state
  const store = createMemoryStore({ maxCount: 1000, maxAgeMs: 3_600_000 })
  const registrar = createRegistrar({ registry, store, clock, limits: defaultLimits })
  const rules = createDialRules({ loopback: true })
  const slices = createTimeSlices()
  await app.register(serviceRoutes, {
    ...state,
    names: createNameOrder({ ...state, slices }),
    slices,
    registrar,
    placeOf: (name) => `services.${name} of porthole.yaml`,
    dialRules: () => rules,
  })
  t.after(() => app.close())
  const get = (url: string) => app.inject({ url })
  const post = (url: string) => app.inject({ method: 'POST', url })
  const list = async (query = ''): Promise<ServicePage> => {
    const response = await get(`/v1/services${query}`)
    assert.deepEqual([response.statusCode, response.headers['cache-control']], [200, 'no-store'], response.body)
    return ServicePage.strict().parse(response.json())
  }
  const names = async (query = '') => (await list(query)).services.map(({ service }) => service)
  return { ...state, app, get, post, list, names }
}

function problem(response: LightMyRequestResponse): [number, string] {
  assert.equal(response.headers['content-type'], 'application/problem+json', response.body)
  return [response.statusCode, response.json<{ detail: string }>().detail]
}

/** Returns the URL that the Link header leads to; null without the header. */
function nextOf({ headers: { link } }: LightMyRequestResponse, from: string): string | null {
  if (link === undefined) return null
  const [, target = ''] = /^<([^<>\s]*)>; rel="next"$/.exec(String(link)) ?? assert.fail(`${link} is no Link`)
  const { pathname, search } = new URL(target, `http://porthole${from}`)
  return pathname + search
}

const service = (name: string) => sampleService(name, ['db:5432'])
const hostileNames = [
  'two words',
  'a/b',
  'a/checks',
  'checks',
  '/starts',
  '../../etc/passwd',
  '...',
  '.hidden',
  'it\'s "quoted"',
  '<img src=x onerror=alert(1)>',
  'naïve 数据库 🐘',
  '100%',
  'a%2Fb',
  '?query',
  'a#fragment',
  'a&b=c',
  'a+b',
  '.*',
  '(a+)+$',
  '[',
  '\\backslash\\',
  '>; rel="prev"',
  '__proto__',
  'constructor',
  '🐘'.repeat(200),
]

test('an empty registry is an empty page', async (t) => {
  const { list } = await build(t)
  assert.deepEqual(await list(), { services: [], next: null, warnings: [] })
})

test('a listed service has these fields, in this order', async (t) => {
  const pg = sampleService('pg', ['a:1', 'b:1'], { quorum: 'any', groups: ['payments'] })
  const { get, checkOnce, target, clock } = await build(t, [pg])
  await checkOnce(target('pg', 'b:1'), 'timeout')
  clock.advance(1000)
  await checkOnce(target('pg', 'a:1'), 'connected')
  const expected = {
    service: 'pg',
    status: 'degraded',
    reason: null,
    since: '2026-11-22T12:00:01.000Z',
    checkedAt: '2026-11-22T12:00:00.000Z',
    quorum: 'any',
    groups: ['payments'],
    targetsUp: 1,
    targetsTotal: 2,
  }
  assert.equal((await get('/v1/services')).body, JSON.stringify({ services: [expected], next: null, warnings: [] }))
})

test('services are sorted by code units, for any order of registration', async (t) => {
  const inOrder = ['10', '9', 'A', 'Z', 'a', 'ab', 'b', 'ä', '数', '🐘', '\uff01']
  const { names, registry } = await build(t, inOrder.toReversed().map(service))
  assert.deepEqual(await names(), inOrder)
  registry.replaceAll([service('m'), service('B')], [])
  assert.deepEqual(await names(), ['B', 'm'])
})

test('?group and ?status select services that match any of the given values', async (t) => {
  const services = [
    sampleService('fine', ['a:1'], { groups: ['x'] }),
    sampleService('broken', ['b:1'], { groups: ['x', 'y'] }),
    sampleService('unseen', ['c:1'], { groups: ['y'] }),
    sampleService('halved', ['d:1', 'e:1'], { quorum: 'any' }),
  ]
  const { names, checkOnce, target } = await build(t, services)
  await checkOnce(target('fine', 'a:1'), 'connected')
  await checkOnce(target('broken', 'b:1'), 'refused')
  await checkOnce(target('halved', 'd:1'), 'connected')
  await checkOnce(target('halved', 'e:1'), 'timeout')
  const chosen: [query: string, names: string][] = [
    ['', 'broken fine halved unseen'],
    ['?group=x', 'broken fine'],
    ['?group=y&group=x', 'broken fine unseen'],
    ['?group=none', ''],
    ['?group=', ''],
    ['?status=up', 'fine'],
    ['?status=degraded', 'halved'],
    ['?status=down&status=unknown', 'broken unseen'],
    ['?group=x&status=down', 'broken'],
    ['?group=y&status=down&status=up&q=B', 'broken'],
  ]
  for (const [query, expected] of chosen) assert.equal((await names(query)).join(' '), expected, query)
})

test('?status compares the current status, so a stale service is found under unknown', async (t) => {
  const { names, checkOnce, target, clock } = await build(t, [service('pg')])
  await checkOnce(target('pg', 'db:5432'), 'connected')
  assert.deepEqual([await names('?status=up'), await names('?status=unknown')], [['pg'], []])
  clock.advance(32_001)
  assert.deepEqual([await names('?status=up'), await names('?status=unknown')], [[], ['pg']])
})

test('a drained service is found only under draining, and its counts stay those of its targets', async (t) => {
  const { list, names, registry, checkOnce, target } = await build(t, [service('pg'), sampleService('mq', ['mq:1'])])
  await checkOnce(target('pg', 'db:5432'), 'connected')
  await checkOnce(target('mq', 'mq:1'), 'connected')
  registry.setDrained(['pg'], true)
  const [, pg] = (await list()).services
  assert.deepEqual([pg?.status, pg?.targetsUp, pg?.since], ['draining', 1, '2026-11-22T12:00:00.000Z'])
  assert.deepEqual([await names('?status=draining'), await names('?status=up')], [['pg'], ['mq']])
  registry.setDrained(['pg'], false)
  assert.deepEqual([await names('?status=draining'), await names('?status=up')], [[], ['mq', 'pg']])
})

test("?q finds part of a service's or a target's name, in upper or lower case", async (t) => {
  const services = [
    sampleService('Orders', ['db-1.internal:5432', '[::1]:6379']),
    sampleService('ΟΔΟΣ', ['DB-2:80']),
    sampleService('straße (Ä)', ['mq:80']),
  ]
  const { names } = await build(t, services)
  const chosen: [q: string, names: string[]][] = [
    ['', ['Orders', 'straße (Ä)', 'ΟΔΟΣ']],
    ['orders', ['Orders']],
    ['RDER', ['Orders']],
    ['ordersx', []],
    ['Db-', ['Orders', 'ΟΔΟΣ']],
    [':80', ['straße (Ä)', 'ΟΔΟΣ']],
    ['[::1]', ['Orders']],
    ['οδος', ['ΟΔΟΣ']],
    ['οδοσ', ['ΟΔΟΣ']],
    ['(ä)', ['straße (Ä)']],
    ['.', ['Orders']],
    ['.*', []],
    ['^', []],
    ['\0', []],
  ]
  for (const [q, expected] of chosen) assert.deepEqual(await names(`?q=${encodeURIComponent(q)}`), expected, q)
})

test('every name is found by every part of it, and no character in ?q has a special meaning', async (t) => {
  const { names } = await build(t, hostileNames.map(service))
  for (const name of hostileNames) {
    for (const q of [name, name.slice(-2), name.toUpperCase()]) {
      // Half of a surrogate pair is not text.
      if (!q.isWellFormed()) continue
      const found = await names(`?q=${encodeURIComponent(q)}`)
      const expected = hostileNames.filter((other) => other.toLowerCase().includes(q.toLowerCase()))
      assert.deepEqual(new Set(found), new Set(expected), q)
    }
  }
})

test('a ?q that would stall a backtracking pattern is answered', async (t) => {
  const { names } = await build(t, [service('a'.repeat(200))])
  assert.deepEqual(await names(`?q=${encodeURIComponent('(a+)+$')}${'a'.repeat(390)}`), [])
  assert.equal((await names(`?q=${'a'.repeat(200)}`)).length, 1)
})

test('a page has 100 services by default, and its Link to the next page keeps every other parameter', async (t) => {
  const all = Array.from({ length: 250 }, (_, i) => `s ${String(i).padStart(3, '0')}`)
  const { get, list } = await build(
    t,
    all.map((name) => sampleService(name, ['db:1'], { groups: ['a&b', 'c>'] })),
  )
  assert.equal((await list()).services.length, 100)
  const kept = 'group=a%26b&group=c%3E&status=unknown&status=up&q=S+&limit=120'
  const pages: string[][] = []
  for (let url: string | null = `/v1/services?${kept}`; url !== null; ) {
    const response = await get(url)
    const { services, next } = response.json<ServicePage>()
    pages.push(services.map(({ service }) => service))
    const followed = nextOf(response, url)
    assert.equal(followed, next === null ? null : `/v1/services?${kept}&cursor=${next}`)
    url = followed
  }
  assert.deepEqual(
    pages.map(({ length }) => length),
    [120, 120, 10],
  )
  assert.deepEqual(pages.flat(), all)
})

test('a full last page has no next, also when only unselected services follow', async (t) => {
  const { list } = await build(t, [...['a', 'b', 'c'].map(service), sampleService('d', ['other:1'])])
  assert.equal((await list('?limit=4')).next, null)
  assert.equal((await list('?limit=3&q=db')).next, null)
  assert.notEqual((await list('?limit=3')).next, null)
  assert.equal((await list('?limit=1000')).services.length, 4)
})

const anyName = fc.oneof(
  fc.constantFrom(...hostileNames),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((name) => ServiceName.safeParse(name).success),
)

test('while services come and go between pages, a service that stays is listed once, and none twice', async (t) => {
  const { registry, get } = await build(t)
  const step = fc.record({ put: fc.array(anyName, { maxLength: 4 }), removed: fc.array(fc.nat(), { maxLength: 4 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyName, { maxLength: 20 }),
      fc.array(step, { maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      async (first, steps, limit) => {
        let present = [...first]
        const put = () => registry.replaceAll(present.map(service), [])
        put()
        const stayed = new Set(first)
        const told: string[] = []
        const changes = [...steps]
        for (let url: string | null = `/v1/services?limit=${limit}`; url !== null; ) {
          const response = await get(url)
          const page = response.json<ServicePage>()
          assert.ok(page.services.length <= limit)
          told.push(...page.services.map(({ service }) => service))
          const change = changes.shift()
          const gone = new Set(change?.removed.map((index) => present[index % present.length]))
          present = [...new Set([...present.filter((name) => !gone.has(name)), ...(change?.put ?? [])])]
          // A service that was away between two pages may be listed or not.
          for (const name of gone) stayed.delete(name ?? '')
          put()
          url = nextOf(response, url)
        }
        assert.deepEqual(told, [...new Set(told)].sort(), 'each once, in order')
        for (const name of stayed) assert.ok(told.includes(name), `${name} was skipped`)
      },
    ),
  )
})

test('a cursor decodes to its name, and needs no escape in a URL', () => {
  fc.assert(
    fc.property(anyName, (name) => {
      const cursor = writeCursor(name)
      assert.match(cursor, /^[\w-]+$/)
      assert.equal(readCursor(cursor), name)
    }),
  )
})

test('an invalid cursor is 400 with a remedy', async (t) => {
  const { get } = await build(t, [service('pg')])
  const padded = Buffer.from('pg').toString('base64')
  const nonsense = ['', 'p', 'pg!', padded, '%00', Buffer.from([0xff]).toString('base64url'), writeCursor(' a')]
  for (const cursor of [...nonsense, writeCursor('a\nb'), writeCursor('x'.repeat(201)), `${writeCursor('pg')}%0a`]) {
    const [status, detail] = problem(await get(`/v1/services?cursor=${cursor}`))
    assert.equal(status, 400, cursor)
    assert.match(detail, /^".*["…] is not a cursor: write the "next" of the page before, or leave it out/, cursor)
  }
})

test('every problem of a query is listed, each with its place and remedy', async (t) => {
  const { get } = await build(t)
  const response = await get('/v1/services?limit=0&status=up&status=upp&cursor=!&colour=red&q=a&q=b')
  assert.equal(problem(response)[0], 400)
  const { errors } = response.json<{ errors: { pointer: string; detail: string }[] }>()
  assert.deepEqual(Object.fromEntries(errors.map(({ pointer, detail }) => [pointer, detail])), {
    '/limit': '"0" is not a limit: write how many services a page may have, 1 to 1000',
    '/status/1': '"upp" is not a status: write up, degraded, down, unknown, draining',
    '/cursor': '"!" is not a cursor: write the "next" of the page before, or leave it out for the first page',
    '/q': 'given more than once: write it once',
    '': 'unknown query parameter colour: there are group, status, q, limit, cursor',
  })
  for (const limit of ['', '1001', '-1', '1.5', '1e2', '+5', ' 5', '0x10', '5&limit=5', '٣'])
    assert.equal(problem(await get(`/v1/services?limit=${limit}`))[0], 400, limit)
  for (const query of ['__proto__=1', 'constructor=1', 'group[]=a', 'status=', 'status=UP'])
    assert.equal(problem(await get(`/v1/services?${query}`))[0], 400, query)
})

test('the detail of a service is its definition with every default, and its status', async (t) => {
  const pg = sampleService('pg', ['a:1', '[0::1]:1'], { quorum: 2, groups: ['payments'], timeout: 1500, maxAge: 0 })
  const { get, checkOnce, target } = await build(t, [pg])
  await checkOnce(target('pg', 'a:1'), 'refused')
  const expected = {
    service: 'pg',
    status: 'down',
    reason: null,
    message: null,
    since: '2026-11-22T12:00:00.000Z',
    checkedAt: null,
    origin: 'file',
    definedAt: 'services.pg of porthole.yaml',
    expiresAt: null,
    warnings: [],
    definition: {
      targets: ['a:1', '[0::1]:1'],
      quorum: '2',
      groups: ['payments'],
      resolve: 'first',
      interval: '10s',
      timeout: '1500ms',
      rise: 2,
      fall: 3,
      fastInterval: '10s',
      downInterval: '10s',
      maxAge: '0ms',
      minAge: '1s',
      close: 'half-open',
      lookupHold: '1h',
    },
  }
  const response = await get('/v1/services/pg')
  assert.equal(response.body, JSON.stringify(expected))
  assert.equal(response.headers['cache-control'], 'no-store')
  ServiceDetail.strict().parse(response.json())
})

test('a service that is only checked on request has the interval off, and no other interval by default', async (t) => {
  const services = [
    sampleService('asleep', ['a:1'], { interval: 'off' }),
    sampleService('odd', ['a:1'], { interval: 'off', fastInterval: 1000 }),
  ]
  const { get } = await build(t, services)
  const intervals = async (name: string) => {
    const { interval, fastInterval, downInterval } = (await get(`/v1/services/${name}`)).json().definition
    return [interval, fastInterval, downInterval]
  }
  assert.deepEqual(await intervals('asleep'), ['off', undefined, undefined])
  assert.deepEqual(await intervals('odd'), ['off', '1s', undefined])
})

const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
const written = (minMs: number, maxMs: number) =>
  fc.oneof(
    fc.integer({ min: minMs, max: maxMs }).map((ms) => `${ms}ms`),
    fc.integer({ min: Math.ceil(minMs / 1000), max: maxMs / 1000 }).map((s) => `${Math.max(1, s)}s`),
    fc.double({ min: (minMs + 1) / 60_000, max: maxMs / 60_000, noNaN: true }).map((m) => `${m.toFixed(6)}m`),
  )
const policy = {
  interval: optional(fc.oneof(fc.constant('off'), written(100, 86_400_000))),
  timeout: optional(written(10, 300_000)),
  rise: optional(fc.integer({ min: 1, max: 100 })),
  fall: optional(fc.integer({ min: 1, max: 100 })),
  fastInterval: optional(written(100, 86_400_000)),
  downInterval: optional(written(100, 86_400_000)),
  maxAge: optional(written(0, 86_400_000)),
  minAge: optional(written(0, 86_400_000)),
  close: optional(fc.constantFrom('half-open', 'rst', 'fin')),
  lookupHold: optional(written(0, 30 * 86_400_000)),
  hold: optional(written(0, 86_400_000)),
} satisfies Record<PolicyFieldName, fc.Arbitrary<unknown>>
const host = fc.oneof(
  fc.domain(),
  fc.ipV4(),
  fc.ipV6().map((ip) => `[${ip}]`),
  fc.constantFrom('DB_1', 'db.', '[::1]'),
)
const target = fc.tuple(host, fc.integer({ min: 1, max: 65_535 })).map(([name, port]) => `${name}:${port}`)
const settings = fc
  .record({
    targets: fc.uniqueArray(target, { minLength: 1, maxLength: 4 }),
    quorum: optional(
      fc.oneof(
        fc.constantFrom('all', 'any', 1, '1', 2),
        fc.integer({ min: 1, max: 100 }).map((share) => `${share}%`),
      ),
    ),
    groups: optional(fc.array(anyName, { maxLength: 3 })),
    ...policy,
  })
  .filter((input) => ServiceSettings.safeParse(input).success)

test('the configuration accepts a shown definition, which makes the same service without any defaults', () => {
  fc.assert(
    fc.property(anyName, settings, fc.record(policy), (name, input, defaults) => {
      const service = buildService(name, ServiceSettings.parse(input), PolicySettings.parse(defaults))
      const definition: unknown = JSON.parse(JSON.stringify(defineService(service)))
      ServiceDefinition.strict().parse(definition)
      assert.deepEqual(buildService(name, ServiceSettings.parse(definition)), service)
    }),
    { numRuns: 500 },
  )
})

test('an unknown service is 404 on every route, and the answer says where to look', async (t) => {
  const { get, post } = await build(t, [service('pg')])
  for (const name of ['gone', 'constructor', '__proto__', 'PG', '']) {
    const detail = `No service is named "${name}": GET /health?verbose lists all services.`
    if (name !== '') assert.deepEqual(problem(await get(`/v1/services/${name}`)), [404, detail])
    assert.deepEqual(problem(await post(`/v1/services/${name}/checks`)), [404, detail])
  }
})

test('routes that take no parameters refuse them', async (t) => {
  const { get, post, prober } = await build(t, [service('pg')])
  const expected = [400, 'unknown query parameter verbose, wait: there are none here']
  assert.deepEqual(problem(await get('/v1/services/pg?verbose&wait=1s')), expected)
  assert.deepEqual(problem(await post('/v1/services/pg/checks?verbose&wait=1s')), expected)
  assert.equal(prober.begun.length, 0)
})

/** Sends a request over a socket with the path unchanged, because `fetch` would normalize it. */
async function ask(url: string, path: string, method = 'GET', body?: string, headers = {}, agent?: Agent) {
  const outgoing = request(url, { path, method, headers, agent: agent ?? false }).end(body)
  const response = await new Promise<import('node:http').IncomingMessage>((done, fail) => {
    outgoing.once('response', done).once('error', fail)
  })
  return { code: response.statusCode, body: await text(response), reused: outgoing.reusedSocket }
}

test('every valid name finds its service when it is percent-encoded', async (t) => {
  const { app, prober } = await build(
    t,
    hostileNames.map((name, i) => sampleService(name, [`db-${i}:1`])),
  )
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const [i, name] of hostileNames.entries()) {
    const encoded = encodeURIComponent(name).replace(/^\.+$/, (dots) => dots.replaceAll('.', '%2E'))
    const found = await ask(url, `/v1/services/${encoded}`)
    assert.deepEqual([found.code, JSON.parse(found.body).service], [200, name])
    const checking = ask(url, `/v1/services/${encoded}/checks`, 'POST')
    while (prober.begun.length <= i) await new Promise(setImmediate)
    await prober.answerAll('connected')
    const { code, body } = await checking
    assert.deepEqual([code, JSON.parse(body).service], [200, name])
  }
})

test('a request for checks is answered with the report after the outcome of every target', async (t) => {
  const { post, prober, monitor } = await build(t, [sampleService('pg', ['a:1', 'b:1'], { quorum: 'any' })])
  const asked = post('/v1/services/pg/checks')
  while (prober.begun.length < 2) await new Promise(setImmediate)
  assert.ok(prober.begun.every(({ request }) => request.urgent))
  await prober.pending('a:1').answer('connected')
  assert.equal(await isSettled(asked), false)
  await prober.pending('b:1').answer('refused')
  const response = await asked
  assert.deepEqual([response.statusCode, response.headers['cache-control']], [200, 'no-store'])
  const report = ServiceReport.strict().parse(response.json())
  assert.deepEqual([report.status, report.targets.map(({ reason }) => reason)], ['degraded', ['connected', 'refused']])
  assert.deepEqual(
    monitor.services.get('pg')?.targets.map(({ checks }) => checks),
    [1, 1],
  )
})

test('a check of a service that is down is 200, because the check was made', async (t) => {
  const { post, prober } = await build(t, [service('pg')])
  const asked = post('/v1/services/pg/checks')
  while (prober.begun.length < 1) await new Promise(setImmediate)
  await prober.answerAll('timeout')
  const response = await asked
  assert.deepEqual([response.statusCode, response.json().status], [200, 'down'])
})

test('concurrent callers share a check, and no target is checked again within minAge', async (t) => {
  const { post, prober, clock } = await build(t, [sampleService('pg', ['db:1'], { minAge: 2000 })])
  const together = [post('/v1/services/pg/checks'), post('/v1/services/pg/checks')]
  while (prober.begun.length < 1) await new Promise(setImmediate)
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
  await prober.answerAll('connected')
  assert.deepEqual(
    (await Promise.all(together)).map(({ statusCode }) => statusCode),
    [200, 200],
  )
  clock.advance(2000)
  assert.equal((await post('/v1/services/pg/checks')).statusCode, 200)
  assert.equal(prober.begun.length, 1)
  clock.advance(1)
  const again = post('/v1/services/pg/checks')
  while (prober.begun.length < 2) await new Promise(setImmediate)
  await prober.answerAll('connected')
  assert.equal((await again).statusCode, 200)
})

test('a service that is removed while it is checked is 404', async (t) => {
  const { post, prober, registry } = await build(t, [service('pg')])
  const asked = post('/v1/services/pg/checks')
  while (prober.begun.length < 1) await new Promise(setImmediate)
  registry.replaceAll([], [])
  await prober.answerAll('connected')
  assert.equal(problem(await asked)[0], 404)
})

/** Requests with bodies for a route that takes none, and whether each is accepted. All use one connection. */
const bodies: [headers: Record<string, string>, body: string, isFine: boolean][] = [
  [{}, '', true],
  [{ 'content-length': '0' }, '', true],
  [{ 'content-type': 'application/json' }, '', true],
  [{ 'content-type': 'application/json' }, '{}', true],
  [{ 'content-type': 'application/x-odd' }, ' { }\n', true],
  [{}, '{}', true],
  [{ 'transfer-encoding': 'chunked' }, '{}', true],
  [{ 'transfer-encoding': 'chunked' }, '', true],
  [{ expect: '100-continue' }, '{}', true],
  [{ 'content-type': 'application/json' }, '{"broken', false],
  [{ 'content-type': 'application/json' }, '{"for":"1h"}', false],
  [{ 'content-type': 'application/json' }, '[]', false],
  [{ 'content-type': 'application/x-odd' }, '<x/>', false],
  [{ 'content-type': 'not a type' }, 'bytes', false],
  [{ 'content-type': '' }, 'bytes', false],
  [{ 'transfer-encoding': 'chunked' }, 'bytes', false],
  [{ expect: '100-continue' }, 'bytes', false],
  [{ 'content-encoding': 'gzip' }, '\u001f\u008b', false],
  [{ 'content-type': 'application/json' }, `{${' '.repeat(2_000_000)}`, false],
]

test('a request for checks accepts only an empty body or {}, and refuses any other without a check', async (t) => {
  const { app, prober, clock } = await build(t, [service('pg')])
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  let begun = 0
  for (const [i, [headers, body, isFine]] of bodies.entries()) {
    const asked = ask(url, '/v1/services/pg/checks', 'POST', body, headers, agent)
    const what = `${JSON.stringify(headers)} ${body.slice(0, 20)}`
    if (isFine) {
      begun++
      while (prober.begun.length < begun) await new Promise(setImmediate)
      await prober.answerAll('connected')
    }
    const answer = await asked
    assert.deepEqual([answer.code, answer.reused], [isFine ? 200 : 400, i > 0], `${what} ${answer.body}`)
    if (!isFine) assert.match(JSON.parse(answer.body).detail, /^This takes no body, and nothing was changed: /)
    clock.advance(1001)
  }
  assert.equal(prober.begun.length, begun)
})

test('HEAD answers like GET, without the body', async (t) => {
  const { app } = await build(t, ['a', 'b'].map(service))
  for (const path of ['', '?limit=1', '?limit=x', '/a', '/gone', '/a?x']) {
    const url = `/v1/services${path}`
    const [head, get] = [await app.inject({ method: 'HEAD', url }), await app.inject({ url })]
    const { date: _head, ...headHeaders } = head.headers
    const { date: _get, ...getHeaders } = get.headers
    assert.deepEqual([head.statusCode, head.body, headHeaders], [get.statusCode, '', getHeaders], url)
  }
})
