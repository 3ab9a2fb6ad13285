import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { buffer, text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import zlib, { gunzipSync } from 'node:zlib'
import { fastify } from 'fastify'
import { defaultCap } from '../../src/http/answers/answer-caps.ts'
import { createLongAnswers } from '../../src/http/answers/long-answers.ts'
import { answerWithProblems } from '../../src/http/answers/problem.ts'
import { metricsRoutes } from '../../src/http/metrics.ts'
import { createAccess } from '../../src/http/requests/access.ts'
import { compileRequestSchema, compileResponseSchema } from '../../src/http/requests/schemas.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createTimeSlices } from '../../src/runtime/time-slices.ts'
import { readPage } from '../metrics/page.ts'
import { build } from '../support/app.ts'
import { until } from '../support/process.ts'
import { sampleService } from '../support/samples.ts'

/** Matches series of services and targets, which do not change while nothing is checked. */
const lasting = (page: string) =>
  [...readPage(page)].filter(([series]) => /^porthole_(service|target|group)_/.test(series))

test('a page is compressed for clients that accept gzip, with the same content', async (t) => {
  const { get } = await build(t, [sampleService('a', ['a:1'], { groups: ['x'] }), sampleService('b', ['b:1'])])
  const plain = await get('/metrics')
  assert.equal(plain.headers['content-encoding'], undefined)
  assert.equal(plain.headers.vary, 'accept-encoding')
  for (const accepted of ['gzip', 'gzip;q=1.0, identity;q=0.5', 'br, gzip']) {
    const zipped = await get('/metrics', { 'accept-encoding': accepted })
    assert.equal(zipped.headers['content-encoding'], 'gzip', accepted)
    assert.equal(zipped.headers['content-type'], plain.headers['content-type'])
    assert.deepEqual(lasting(gunzipSync(zipped.rawPayload).toString()), lasting(plain.body))
  }
  for (const accepted of ['identity', 'br', 'gzip;q=0', ''])
    assert.equal(
      (await get('/metrics', { 'accept-encoding': accepted })).headers['content-encoding'],
      undefined,
      accepted,
    )
})

test('a page can be narrowed, and unknown parameters are 400', async (t) => {
  const { get } = await build(t, [sampleService('a', ['a:1'], { groups: ['x'] }), sampleService('b', ['b:1'])])
  const { body } = await get('/metrics?group=x')
  assert.match(body, /^porthole_service_up\{service="a"\} 0$/m)
  assert.doesNotMatch(body, /service="b"|process_|porthole_build_info/)
  const response = await get('/metrics?target=a:1')
  assert.deepEqual(
    [response.statusCode, response.json().detail],
    [400, 'unknown query parameter target: there are group, service, exclude'],
  )
})

/** With gzip and without. */
const encodings: Record<string, string>[] = [{}, { 'accept-encoding': 'gzip' }]

/** Counts the pages that were begun, and those that are not released yet. */
function countPages(render: () => AsyncIterable<Buffer>) {
  let [begun, held] = [0, 0]
  async function* counted() {
    begun++
    held++
    try {
      yield* render()
    } finally {
      held--
    }
  }
  return {
    counted,
    begun: () => begun,
    held: () => held,
    areReleased: () => until('all pages are released', async () => held === 0),
  }
}

/** Requests a page and reads only its beginning. The client closes after the test. */
async function beginReading(t: TestContext, url: string, headers: Record<string, string>) {
  const request = http.get(`${url}/metrics`, { headers, agent: false }).on('error', () => undefined)
  t.after(() => request.destroy())
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.on('error', () => undefined).pause()
  return { request, response }
}

test('a reader that leaves in the middle of a page, compressed or not, leaves nothing behind', async (t) => {
  const services = Array.from({ length: 5000 }, (_, i) => sampleService(`service-${i}`, [`10.0.0.1:${i + 1}`]))
  const logged: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => void logged.push(line) } }
  const { listen, get, metrics } = await build(t, services, { logger })
  const { counted, begun, areReleased } = countPages(metrics.render)
  t.mock.method(metrics, 'render', counted)
  const url = await listen()
  for (const headers of encodings) {
    for (let round = 0; round < 3; round++) {
      const { request, response } = await beginReading(t, url, headers)
      request.destroy()
      await once(response, 'close').catch(() => undefined)
      await areReleased()
    }
  }
  // A slow reader gets the whole page.
  const { response: slow } = await beginReading(t, url, {})
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.deepEqual(lasting(await text(slow)), lasting((await get('/metrics')).body))
  await areReleased()
  assert.deepEqual([begun(), logged], [8, []])
})

/** A chunk that makes a page long. */
const longLine = `${'long '.repeat(14_000)}1\n`
/** More bytes than all buffers on the way to a reader hold. Compression does not shrink them. */
const tooMuch = randomBytes(32 * 1024 * 1024)

/** Serves only the route on a free port, with pages of the test. */
async function serveMetrics(
  t: TestContext,
  render: () => AsyncIterable<Buffer>,
  { maxScrapes = defaultCap.answers, heldBytes = 0 } = {},
) {
  const logged: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void logged.push(line) } } })
  app.setValidatorCompiler(compileRequestSchema)
  app.setSerializerCompiler(compileResponseSchema)
  answerWithProblems(app)
  const { counted, ...pages } = countPages(render)
  const metrics = {
    contentType: 'text/plain',
    render: counted as () => AsyncGenerator<Buffer>,
    heldBytes: () => heldBytes,
  }
  const access = createAccess({ settings: { tokens: [], details: 'all' }, clock: systemClock() })
  const answers = createLongAnswers({ caps: { metrics: { ...defaultCap, answers: maxScrapes } } })
  await app.register(metricsRoutes, { metrics, access, answers, slices: createTimeSlices() })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  const messages = () =>
    logged.map((line) => JSON.parse(line)).map(({ msg, err }) => (err === undefined ? msg : `${msg}: ${err.message}`))
  return { app, url, ...pages, messages }
}

for (const headers of encodings) {
  const how = 'accept-encoding' in headers ? 'zipped' : 'not zipped'

  test(`a reader that reads nothing for a minute is cut off, and the memory of the scrape is released (${how})`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { promise: isStuck, resolve: stick } = Promise.withResolvers<void>()
    const { url, held, areReleased, messages } = await serveMetrics(t, async function* () {
      yield Buffer.from('first\n')
      stick()
      yield tooMuch
    })
    const { response } = await beginReading(t, url, headers)
    await isStuck
    await setImmediate()
    t.mock.timers.tick(59_999)
    await setImmediate()
    assert.equal(held(), 1)
    t.mock.timers.tick(1)
    t.mock.timers.reset()
    await areReleased()
    await assert.rejects(text(response), { code: 'ECONNRESET' })
    assert.deepEqual(messages(), ['an answer is cut off: its client reads too slowly'])
  })

  test(`a reader that reads little at a time gets the whole page (${how})`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const lines = ['a', 'b', 'c', 'd'].map((name) => `${name}${longLine}`)
    const { url } = await serveMetrics(t, async function* () {
      for (const line of lines) {
        t.mock.timers.tick(59_999)
        yield Buffer.from(line)
      }
    })
    const { response } = await beginReading(t, url, headers)
    const bytes = await buffer(response)
    assert.equal((how === 'zipped' ? gunzipSync(bytes) : bytes).toString(), lines.join(''))
  })
}

test('a page that throws before it is long is 500', async (t) => {
  const { url, areReleased, messages } = await serveMetrics(t, async function* () {
    yield Buffer.from('first\n')
    throw new Error('a bug')
  })
  assert.equal((await fetch(`${url}/metrics`)).status, 500)
  await areReleased()
  assert.deepEqual(messages(), ['a request failed: a bug'])
})

/** Replaces the function that creates a gzip stream. */
function mockGzip(t: TestContext, make: (original: typeof zlib.createGzip) => zlib.Gzip) {
  const { createGzip } = zlib
  const mocked = t.mock.method(zlib, 'createGzip', () => make(createGzip))
  syncBuiltinESMExports()
  t.after(() => {
    mocked.mock.restore()
    syncBuiltinESMExports()
  })
}

test('a page whose compression fails breaks off, the log says why, and the next scrape is answered', async (t) => {
  let zip: zlib.Gzip | undefined
  mockGzip(t, (original) => {
    zip = original()
    return zip
  })
  const { url, areReleased, messages } = await serveMetrics(t, async function* () {
    yield Buffer.from(longLine)
    zip?.destroy(new Error('zlib is out of order'))
    yield Buffer.from('second\n')
  })
  await assert.rejects(fetch(`${url}/metrics`).then((response) => response.text()))
  await areReleased()
  assert.deepEqual(messages(), ['an answer broke off: zlib is out of order'])
  const plain = await fetch(`${url}/metrics`, { headers: { 'accept-encoding': 'identity' } })
  assert.deepEqual([plain.status, await plain.text()], [200, `${longLine}second\n`])
})

test('a page whose compression cannot start is 500, and the log says why', async (t) => {
  mockGzip(t, () => {
    throw new Error('no memory for zlib')
  })
  const { url, held, messages } = await serveMetrics(t, async function* () {
    yield Buffer.from(longLine)
    yield Buffer.from('second\n')
  })
  const response = await fetch(`${url}/metrics`)
  assert.equal(response.status, 500)
  assert.match(((await response.json()) as { detail: string }).detail, /^Porthole failed to answer; its log tells why/)
  assert.deepEqual([held(), messages()], [0, ['a request failed: no memory for zlib']])
})

test('a long page that throws breaks off, and the log says why', async (t) => {
  const { url, areReleased, messages } = await serveMetrics(t, async function* () {
    yield Buffer.from(longLine)
    throw new Error('a bug')
  })
  await assert.rejects(fetch(`${url}/metrics`).then((response) => response.text()))
  await areReleased()
  assert.deepEqual(messages(), ['an answer broke off: a bug'])
})

test('scrapes beyond the maximum are 503 with Retry-After, until one is over', async (t) => {
  const render = async function* () {
    yield Buffer.from('first\n')
    yield tooMuch
  }
  const { url, held } = await serveMetrics(t, render, { maxScrapes: 2 })
  const [first] = [await beginReading(t, url, {}), await beginReading(t, url, {})]
  const refused = await fetch(`${url}/metrics`)
  assert.deepEqual(
    [refused.status, refused.headers.get('retry-after'), await refused.json()],
    [
      503,
      '5',
      {
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        detail: 'Too many long answers like this are under way: try again in 5 s.',
      },
    ],
  )
  assert.equal(held(), 2)
  first.request.destroy()
  await until('one is over', async () => held() === 1)
  assert.equal((await beginReading(t, url, {})).response.statusCode, 200)
})

test('a scrape that is known to hold much memory is refused before any chunk is made', async (t) => {
  const render = async function* () {
    yield tooMuch
  }
  const { url, begun, areReleased } = await serveMetrics(t, render, { heldBytes: 0.6 * defaultCap.bytes })
  const { request } = await beginReading(t, url, {})
  for (let i = 0; i < 3; i++) assert.equal((await fetch(`${url}/metrics`)).status, 503)
  assert.equal(begun(), 1)
  // A narrowed page holds little memory.
  assert.equal((await fetch(`${url}/metrics?service=a`, { method: 'HEAD' })).status, 200)
  request.destroy()
  await areReleased()
  for (let i = 0; i < 3; i++) await (await fetch(`${url}/metrics`)).bytes()
  assert.equal(begun(), 4)
})

test('a scrape that was sent whole, or requested by HEAD, no longer counts', async (t) => {
  const { app, url } = await serveMetrics(t, async function* () {}, { maxScrapes: 1 })
  for (let i = 0; i < 3; i++) {
    for (const headers of encodings) {
      assert.equal((await app.inject({ url: '/metrics', headers })).statusCode, 200)
      assert.equal((await app.inject({ url: '/metrics', headers, method: 'HEAD' })).statusCode, 200)
      assert.equal((await fetch(`${url}/metrics`, { headers })).status, 200)
      assert.equal((await fetch(`${url}/metrics`, { headers, method: 'HEAD' })).status, 200)
    }
  }
})
