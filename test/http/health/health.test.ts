import assert from 'node:assert/strict'
import { request } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import type { Quorum } from '../../../src/domain/service/quorum.ts'
import { type Built, build, listen, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

/** Builds a service of each status. `fine` and `halved` are in the group good; these and `broken` are in mixed. */
async function buildOfEach(t: TestContext, groups: Record<string, { quorum: Quorum }> = {}): Promise<Built> {
  const { target } = await listen(t)
  const services = [
    sampleService('fine', [target], { groups: ['good', 'mixed'] }),
    sampleService('halved', [target, nobody], { groups: ['good', 'mixed'], quorum: 'any' }),
    sampleService('unseen', [nobody]),
    sampleService('broken', [nobody], { groups: ['mixed'] }),
  ]
  const built = await build(t, services, { groups })
  await built.sweep('fine', 'halved', 'broken')
  return built
}

/** Returns the status code, the status and the services of a set's answer, in order. */
async function ask({ get }: Built, url: string): Promise<[number, string, string]> {
  const response = await get(url)
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8', response.body)
  const { status, services } = response.json<{ status: string; services: { service: string }[] }>()
  return [response.statusCode, status, services.map(({ service }) => service).join(' ')]
}

async function problem({ get }: Built, url: string): Promise<[number, string]> {
  const response = await get(url)
  assert.equal(response.headers['content-type'], 'application/problem+json', response.body)
  const { status, detail } = response.json<{ status: number; detail: string }>()
  assert.equal(status, response.statusCode)
  return [status, detail]
}

test('an empty registry is unknown and 503, for any quorum', async (t) => {
  const built = await build(t)
  for (const url of ['/health', '/health?quorum=any', '/health?quorum=3', '/health?quorum=50%25', '/health?verbose']) {
    assert.deepEqual([url, ...(await ask(built, url))], [url, 503, 'unknown', ''])
  }
})

test('all services together are down when one is; the list has the worst first, and no service that is up', async (t) => {
  const built = await buildOfEach(t)
  assert.deepEqual(await ask(built, '/health'), [503, 'down', 'broken unseen halved'])
  const { counts, quorum, warnings } = (await built.get('/health')).json()
  assert.deepEqual(counts, { up: 1, degraded: 1, down: 1, unknown: 1, draining: 0 })
  assert.deepEqual([quorum, warnings], ['all', []])
})

test('?verbose lists the services that are up too, last', async (t) => {
  const built = await buildOfEach(t)
  for (const yes of ['verbose', 'verbose=', 'verbose=true', 'verbose=1'])
    assert.deepEqual(await ask(built, `/health?${yes}`), [503, 'down', 'broken unseen halved fine'], yes)
  for (const no of ['verbose=false', 'verbose=0'])
    assert.deepEqual(await ask(built, `/health?${no}`), [503, 'down', 'broken unseen halved'], no)
})

test('only the services of a group count for it', async (t) => {
  const built = await buildOfEach(t)
  assert.deepEqual(await ask(built, '/health?group=good'), [200, 'degraded', 'halved'])
  assert.deepEqual(await ask(built, '/health?group=mixed'), [503, 'down', 'broken halved'])
})

test('a service in several of the selected groups counts once', async (t) => {
  const built = await buildOfEach(t)
  const { counts } = (await built.get('/health?group=good&group=mixed')).json()
  assert.deepEqual(counts, { up: 1, degraded: 1, down: 1, unknown: 0, draining: 0 })
})

test('a group without services is 404, and the answer names the groups', async (t) => {
  const built = await buildOfEach(t)
  const detail = 'No service is in a group named "goood": the groups are "good", "mixed".'
  assert.deepEqual(await problem(built, '/health?group=good&group=goood'), [404, detail])
})

test('?exclude leaves out one or several services', async (t) => {
  const built = await buildOfEach(t)
  assert.deepEqual(await ask(built, '/health?exclude=broken'), [503, 'unknown', 'unseen halved'])
  assert.deepEqual(await ask(built, '/health?exclude=broken&exclude=unseen'), [200, 'degraded', 'halved'])
  assert.deepEqual(await ask(built, '/health?exclude=broken&exclude=unseen&exclude=halved'), [200, 'up', ''])
  assert.deepEqual(await ask(built, '/health?group=mixed&exclude=broken'), [200, 'degraded', 'halved'])
})

test('excluding an unknown service only causes a warning, because a probe may outlive its service', async (t) => {
  const built = await buildOfEach(t)
  const response = await built.get('/health?group=good&exclude=gone')
  assert.equal(response.statusCode, 200)
  assert.deepEqual(response.json().warnings, ['exclude=gone: there is no such service'])
})

test('a set without services is unknown and 503', async (t) => {
  const built = await buildOfEach(t)
  assert.deepEqual(await ask(built, '/health?group=good&exclude=fine&exclude=halved'), [503, 'unknown', ''])
})

test('?quorum takes all, any, a count or a share', async (t) => {
  const built = await buildOfEach(t)
  const expected = { all: 'down', any: 'degraded', 1: 'degraded', 2: 'degraded', 3: 'unknown', 4: 'down' }
  for (const [quorum, status] of Object.entries(expected))
    assert.equal((await ask(built, `/health?quorum=${quorum}`))[1], status, quorum)
  for (const [share, status] of [
    [50, 'degraded'],
    [51, 'unknown'],
    [75, 'unknown'],
    [76, 'down'],
  ])
    assert.equal((await ask(built, `/health?quorum=${share}%25`))[1], status, `${share}%`)
  assert.equal((await ask(built, '/health?quorum=50%'))[1], 'degraded', 'a bare % is what people type')
})

test('a quorum that the selected services can never meet is 400', async (t) => {
  const built = await buildOfEach(t)
  assert.deepEqual(await problem(built, '/health?quorum=5'), [
    400,
    'a quorum of 5 can never be met by 4 services: write at most 4',
  ])
  assert.deepEqual(await problem(built, '/health?group=good&exclude=fine&quorum=2'), [
    400,
    'a quorum of 2 can never be met by 1 service: write at most 1',
  ])
})

test('an invalid quorum is 400 with a remedy', async (t) => {
  const built = await buildOfEach(t)
  for (const nonsense of ['', 'most', '0', '-1', '1.5', '101%25', '0%25', '1e2', 'ALL', '99999999']) {
    const [status, detail] = await problem(built, `/health?quorum=${nonsense}`)
    assert.deepEqual([nonsense, status], [nonsense, 400])
    assert.match(detail, /is not a quorum: write all, any, a count such as 2, or a share such as 50%$/)
  }
})

test("a group's own quorum applies when only that group is selected, and ?quorum replaces it", async (t) => {
  const built = await buildOfEach(t, { mixed: { quorum: 2 } })
  assert.deepEqual(await ask(built, '/health?group=mixed'), [200, 'degraded', 'broken halved'])
  assert.deepEqual(await ask(built, '/health?group=mixed&quorum=all'), [503, 'down', 'broken halved'])
  assert.deepEqual(await ask(built, '/health?group=mixed&group=good'), [503, 'down', 'broken halved'])
})

test("a group's own quorum that the rest can never meet after ?exclude is 400, not down", async (t) => {
  const built = await buildOfEach(t, { good: { quorum: 2 } })
  assert.deepEqual(await problem(built, '/health?group=good&exclude=fine'), [
    400,
    'a quorum of 2 can never be met by 1 service: write at most 1',
  ])
})

test('a group with fewer services than its own quorum is down with a warning, because more may be registered later', async (t) => {
  const built = await buildOfEach(t, { good: { quorum: 3 } })
  const answer = await built.get('/health?group=good')
  assert.deepEqual([answer.statusCode, answer.json().status], [503, 'down'])
  assert.deepEqual(answer.json().warnings, ['a quorum of 3 can never be met by 2 services: write at most 2'])
})

test('?degraded=503 answers 503 for degraded, and changes no other status', async (t) => {
  const built = await buildOfEach(t)
  assert.deepEqual(await ask(built, '/health?group=good&degraded=503'), [503, 'degraded', 'halved'])
  assert.deepEqual(await ask(built, '/health?group=good&degraded=200'), [200, 'degraded', 'halved'])
  assert.deepEqual(await ask(built, '/health?group=good&exclude=halved&degraded=503'), [200, 'up', ''])
  assert.equal((await built.get('/health/halved?degraded=503')).statusCode, 503)
  assert.equal((await built.get('/health/halved')).statusCode, 200)
})

test('one service is 200 while up or degraded, and 503 while down or unknown', async (t) => {
  const { get } = await buildOfEach(t)
  const expected = { fine: [200, 'up'], halved: [200, 'degraded'], broken: [503, 'down'], unseen: [503, 'unknown'] }
  for (const [name, answer] of Object.entries(expected)) {
    const response = await get(`/health/${name}`)
    assert.deepEqual([response.statusCode, response.json().status], answer, name)
  }
})

test('a drained service is 503 draining for every status of its targets and for ?degraded=200, until its drain ends', async (t) => {
  const { get, registry } = await buildOfEach(t)
  const all = { fine: [200, 'up'], halved: [200, 'degraded'], broken: [503, 'down'], unseen: [503, 'unknown'] }
  registry.setDrained(Object.keys(all), true)
  for (const name of Object.keys(all)) {
    for (const query of ['', '?degraded=200', '?degraded=503', '?verbose']) {
      const response = await get(`/health/${name}${query}`)
      assert.deepEqual([response.statusCode, response.json().status], [503, 'draining'], `${name}${query}`)
    }
  }
  const { targetsUp, targetsTotal, targets } = (await get('/health/halved')).json()
  assert.deepEqual([targetsUp, targetsTotal], [1, 2])
  assert.deepEqual(
    targets.map(({ status, reason }: { status: string; reason: string }) => `${status} ${reason}`),
    ['up connected', 'down refused'],
  )
  registry.setDrained(Object.keys(all), false)
  for (const [name, answer] of Object.entries(all)) {
    const response = await get(`/health/${name}`)
    assert.deepEqual([response.statusCode, response.json().status], answer, name)
  }
})

test('a drained service is checked on request like any other', async (t) => {
  const listener = await listen(t)
  const { get, registry } = await build(t, [sampleService('pg', [listener.target], { interval: 'off' })])
  registry.setDrained(['pg'], true)
  const { status, targetsUp } = (await get('/health/pg', { 'cache-control': 'no-cache' })).json()
  assert.deepEqual([status, targetsUp], ['draining', 1])
})

test('an unknown service is 404, and the answer says where to look', async (t) => {
  const built = await buildOfEach(t)
  for (const name of ['gone', 'constructor', '__proto__', 'Fine']) {
    const detail = `No service is named "${name}": GET /health?verbose lists all services.`
    assert.deepEqual(await problem(built, `/health/${name}`), [404, detail])
  }
})

const hostileNames = [
  'two words',
  'a/b',
  'ends/',
  '/starts',
  '../../etc/passwd',
  '.',
  '..',
  'it\'s "quoted"',
  '<img src=x onerror=alert(1)>',
  'naïve 数据库 🐘',
  '100%',
  'a%2Fb',
  '%',
  '?query',
  'a#fragment',
  'a;b',
  'a&b=c',
  'a+b',
  'a:b',
  '\\backslash\\',
  '__proto__',
  'constructor',
  '{}',
  'x'.repeat(200),
  '数'.repeat(200),
  '🐘'.repeat(200),
]

test('every valid name finds its service when it is percent-encoded', async (t) => {
  const { target } = await listen(t)
  const built = await build(
    t,
    hostileNames.map((name) => sampleService(name, [target])),
  )
  await built.sweep()
  // Over a socket, because `.` and `..` must reach the server unchanged.
  const url = await built.listen()
  for (const name of hostileNames) {
    const encoded = encodeURIComponent(name).replace(/^\.+$/, (dots) => dots.replaceAll('.', '%2E'))
    const { code, body } = await fetchRaw(url, `/health/${encoded}`)
    assert.deepEqual([name, code], [name, 200], body)
    assert.equal(JSON.parse(body).service, name)
  }
  const listed = (await built.get('/health?verbose')).json<{ services: { service: string }[] }>()
  assert.deepEqual(new Set(listed.services.map(({ service }) => service)), new Set(hostileNames))
})

/** Sends a GET with the path unchanged, because `fetch` would normalize it. */
async function fetchRaw(url: string, path: string): Promise<{ code: number | undefined; body: string }> {
  const outgoing = request(url, { path, agent: false }).end()
  const response = await new Promise<import('node:http').IncomingMessage>((done, fail) => {
    outgoing.once('response', done).once('error', fail)
  })
  return { code: response.statusCode, body: await text(response) }
}

test('?group and ?exclude take every valid name too', async (t) => {
  const { target } = await listen(t)
  const built = await build(
    t,
    hostileNames.map((name) => sampleService(name, [target], { groups: [name] })),
  )
  await built.sweep()
  for (const name of hostileNames) {
    const group = encodeURIComponent(name)
    assert.deepEqual(await ask(built, `/health?group=${group}`), [200, 'up', ''], name)
    assert.deepEqual(await ask(built, `/health?group=${group}&exclude=${group}`), [503, 'unknown', ''], name)
  }
})

test('HEAD answers like GET, without the body', async (t) => {
  const { app } = await buildOfEach(t)
  const urls = ['/health', '/health?group=good', '/health?group=none', '/health?quorum=x', '/health/fine']
  for (const url of [...urls, '/health/broken', '/health/gone', '/livez', '/readyz', '/metrics', '/openapi.json']) {
    const [head, get] = [await app.inject({ method: 'HEAD', url }), await app.inject({ url })]
    assert.equal(head.body, '', url)
    assert.equal(head.statusCode, get.statusCode, url)
    // The metrics page is built while it is sent, so its length is not known before.
    const {
      date: _headDate,
      'content-length': headLength,
      'transfer-encoding': _headCoding,
      ...headHeaders
    } = head.headers
    const { date: _getDate, 'content-length': getLength, 'transfer-encoding': _getCoding, ...getHeaders } = get.headers
    assert.deepEqual(headHeaders, getHeaders, url)
    if (url !== '/metrics') assert.equal(headLength, getLength, url)
  }
})

test('an HTTP/1.0 request without a Host is answered, and the connection closed', async (t) => {
  const built = await buildOfEach(t)
  const { port } = new URL(await built.listen())
  for (const [path, status] of [
    ['fine', '200 OK'],
    ['broken', '503 Service Unavailable'],
  ]) {
    const socket = net.connect(Number(port), '127.0.0.1')
    socket.write(`GET /health/${path} HTTP/1.0\r\n\r\n`)
    const answer = await text(socket)
    assert.ok(answer.startsWith(`HTTP/1.1 ${status}\r\n`), answer)
  }
})

test('every problem of a query is listed, each with its place and remedy', async (t) => {
  const { get } = await buildOfEach(t)
  const response = await get('/health?quorum=most&verbose=perhaps&degraded=404&maxAge=5&wait=soon&colour=red')
  const { status, title, detail, errors } = response.json()
  assert.deepEqual([status, title, response.statusCode], [400, 'Bad Request', 400])
  const remedy = 'write all, any, a count such as 2, or a share such as 50%'
  const expected = {
    '/quorum': `"most" is not a quorum: ${remedy}`,
    '/verbose': 'verbose=perhaps: write ?verbose, or leave it out',
    '/degraded': 'degraded=404: write 503 to treat degraded as down, or 200',
    '/maxAge': '"5" has no unit: write 5s, or 5ms',
    '/wait': '"soon" is not a duration: write 500ms, 10s or 1m',
    '': 'unknown query parameter colour: there are group, exclude, quorum, verbose, degraded, maxAge, wait',
  }
  assert.deepEqual(
    Object.fromEntries(errors.map((e: { pointer: string; detail: string }) => [e.pointer, e.detail])),
    expected,
  )
  assert.ok(errors.every((error: { in: string }) => error.in === 'querystring'))
  for (const sentence of Object.values(expected)) assert.ok(detail.includes(sentence), sentence)
})

test('a parameter that may be given once is 400 when given twice', async (t) => {
  const built = await buildOfEach(t)
  for (const twice of [
    'quorum=1&quorum=2',
    'maxAge=1s&maxAge=2s',
    'wait=1s&wait=2s',
    'verbose&verbose',
    'degraded=200&degraded=503',
  ])
    assert.equal((await problem(built, `/health?${twice}`))[0], 400, twice)
})

test('parameter names such as __proto__ are 400 like any unknown one', async (t) => {
  const built = await buildOfEach(t)
  for (const name of ['__proto__', 'constructor', 'toString', 'group[]', 'quorum[x]']) {
    const [status, detail] = await problem(built, `/health?${name}=1`)
    assert.equal(status, 400)
    assert.ok(detail.startsWith(`unknown query parameter ${name}: there are group`), detail)
  }
})
