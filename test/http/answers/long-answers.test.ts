import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerKinds, defaultCap, longFrom } from '../../../src/http/answers/answer-caps.ts'
import { createLongAnswers } from '../../../src/http/answers/long-answers.ts'
import { build } from '../../support/app.ts'
import { until } from '../../support/process.ts'
import { sampleService } from '../../support/samples.ts'
import { get, sendAndReadAll, sendAndTakeNothing } from '../slow-client.ts'

/** More bytes than all buffers on the way to a client hold. */
const tooMuch = Buffer.alloc(16 * 1024 * 1024, 'x')
const never = 600_000

/** Serves Porthole on a free port, with extra routes that answer with very many bytes. */
async function serve(t: TestContext, options: Parameters<typeof createLongAnswers>[0] = {}) {
  const answers = createLongAnswers({ pace: { chunkMs: never, wholeMs: never }, ...options })
  const logged: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => void logged.push(JSON.parse(line).msg) } }
  const { app, listen } = await build(t, [sampleService('pg', ['127.0.0.1:1'])], { answers, logger })
  let open = 0
  async function* stream() {
    open++
    try {
      for (let at = 0; at < tooMuch.length; at += longFrom) yield tooMuch.subarray(at, at + longFrom)
    } finally {
      open--
    }
  }
  app.get('/v1/bytes', async (_request, reply) => reply.header('age', 7).send(tooMuch))
  app.get('/v1/text', async (_request, reply) => reply.send(tooMuch.toString()))
  app.get('/v1/stream', async (_request, reply) => reply.send(Readable.from(stream(), { objectMode: false })))
  app.get('/page', async (_request, reply) =>
    reply
      .type('text/html')
      .header('content-length', tooMuch.length)
      .send(Readable.from(stream(), { objectMode: false })),
  )
  app.put('/v1/changed', async (_request, reply) => reply.send(tooMuch))
  app.get('/v1/short', async (_request, reply) => reply.send('x'.repeat(longFrom - 1)))
  const url = await listen()
  const of = (kind: (typeof answerKinds)[number]) => {
    const stats = answers.stats().get(kind)
    assert.ok(stats)
    return stats
  }
  const underWay = (count: number) => until(`${count} are under way`, async () => of('list').underWay === count)
  return { answers, app, url, logged, of, underWay, open: () => open }
}

for (const path of ['/v1/bytes', '/v1/text', '/v1/stream']) {
  test(`a client that reads nothing of ${path} is cut off, and the memory of the answer is released`, async (t) => {
    const { url, logged, of, underWay, open } = await serve(t, { pace: { chunkMs: 200, wholeMs: never } })
    const socket = await sendAndTakeNothing(t, url, get(path))
    await underWay(1)
    await underWay(0)
    assert.deepEqual(of('list'), { underWay: 0, heldBytes: 0, refused: 0, cutOff: 1 })
    await until('the stream is closed', async () => open() === 0)
    assert.deepEqual(logged, ['an answer is cut off: its client reads too slowly'])
    socket.resume()
    if (!socket.closed) await once(socket, 'close')
  })
}

test('a client that reads slowly is cut off when the whole answer takes too long', async (t) => {
  const { url, of, underWay } = await serve(t, { pace: { chunkMs: never, wholeMs: 400 } })
  const socket = await sendAndTakeNothing(t, url, get('/v1/bytes'))
  await underWay(1)
  const taking = setInterval(() => socket.read(1), 5)
  await underWay(0)
  clearInterval(taking)
  assert.equal(of('list').cutOff, 1)
})

test('a client within the pace gets the whole answer, and may reuse the connection', async (t) => {
  const { url, of } = await serve(t)
  for (const path of ['/v1/bytes', '/v1/stream']) {
    const response = await fetch(`${url}${path}`)
    await sleep(50)
    assert.ok(tooMuch.equals(await response.bytes()), path)
  }
  // Compressed, this answer is shorter than the Content-Length that its route sets.
  for (const encoding of ['gzip', 'identity']) {
    const response = await fetch(`${url}/page`, { headers: { 'accept-encoding': encoding } })
    assert.deepEqual(
      [response.headers.get('content-encoding'), response.headers.get('content-length')],
      encoding === 'gzip' ? ['gzip', null] : [null, String(tooMuch.length)],
    )
    assert.ok(tooMuch.equals(await response.bytes()), encoding)
  }
  const pipelined = `${get('/v1/short')}GET /v1/bytes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
  const answered = await sendAndReadAll(t, url, pipelined)
  assert.deepEqual(answered.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
  await until('all are over', async () => of('list').underWay === 0)
  assert.deepEqual(of('list'), { underWay: 0, heldBytes: 0, refused: 0, cutOff: 0 })
})

test('while a kind is at its cap, another long answer of it is 503; short answers and other kinds are not', async (t) => {
  const { url, of, underWay, open } = await serve(t, { caps: { list: { ...defaultCap, answers: 2 } } })
  const [first] = await Promise.all([1, 2].map(() => sendAndTakeNothing(t, url, get('/v1/stream'))))
  await underWay(2)
  for (const path of ['/v1/bytes', '/v1/stream']) {
    const refused = await fetch(`${url}${path}`)
    const { detail } = (await refused.json()) as { detail: string }
    assert.equal(detail, 'Too many long answers like this are under way: try again in 5 s.')
    assert.deepEqual([refused.status, refused.headers.get('retry-after'), refused.headers.get('age')], [503, '5', null])
    assert.equal(refused.headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
  }
  assert.equal(open(), 2)
  for (const path of ['/v1/short', '/health/pg', '/health?verbose', '/v1/services', '/openapi.json', '/metrics', '/'])
    assert.notEqual((await fetch(`${url}${path}`)).headers.get('retry-after'), '5', path)
  // A client that changed something must learn the result.
  assert.equal((await fetch(`${url}/v1/changed`, { method: 'PUT' })).status, 200)
  assert.equal((await fetch(`${url}/v1/bytes`, { method: 'HEAD' })).status, 200)
  assert.equal(of('list').refused, 2)
  first?.destroy()
  await underWay(1)
  assert.equal((await fetch(`${url}/v1/bytes`)).status, 200)
})

test('clients of the same bytes share them; other answers are refused when the memory is used up', async (t) => {
  const bytes = 1.5 * tooMuch.length
  const { url, of, underWay } = await serve(t, { caps: { list: { answers: 100, bytes } } })
  for (let i = 0; i < 10; i++) await sendAndTakeNothing(t, url, get('/v1/bytes'))
  await underWay(10)
  assert.equal(of('list').heldBytes, tooMuch.length)
  assert.equal((await fetch(`${url}/v1/text`)).status, 503)
  assert.equal(of('list').refused, 1)
})

test('stopping does not wait for clients that read nothing', async (t) => {
  const { app, url, underWay, of } = await serve(t)
  await sendAndTakeNothing(t, url, get('/v1/bytes'))
  await underWay(1)
  await app.close()
  await underWay(0)
  assert.equal(of('list').cutOff, 0)
})

test('every route with long answers is limited', async (t) => {
  const none = { answers: 0, bytes: 0 }
  const answers = createLongAnswers({ caps: Object.fromEntries(answerKinds.map((kind) => [kind, none])) })
  const targets = Array.from({ length: 500 }, (_, i) => `10.0.0.1:${i + 1}`)
  const services = Array.from({ length: 1000 }, (_, i) => sampleService(`service-${i}`, ['10.0.0.1:1']))
  const { get } = await build(t, [sampleService('wide', targets), ...services], { answers })
  for (const path of [
    '/health?verbose',
    '/health/wide',
    '/v1/services?limit=1000',
    '/v1/sd',
    '/metrics',
    '/?show=1000',
    '/docs/static/swagger-ui-bundle.js',
  ]) {
    const { statusCode, headers } = await get(path)
    assert.deepEqual([statusCode, headers['retry-after']], [503, '5'], path)
  }
  for (const accept of ['text/plain', 'application/health+json'])
    assert.equal((await get('/health?verbose', { accept })).headers['retry-after'], '5', accept)
  for (const path of ['/health/service-1', '/v1/services', '/v1/transitions?limit=1000', '/livez', '/readyz', '/docs'])
    assert.equal((await get(path)).headers['retry-after'], undefined, path)
  assert.equal((await get('/page/uplot.js', { 'accept-encoding': 'gzip' })).statusCode, 200)
})

test('clients share the memory of the list of services, and it counts once', async (t) => {
  const answers = createLongAnswers({ pace: { chunkMs: never, wholeMs: never } })
  const long = 'a-name-that-makes-the-answer-longer-than-the-buffers-on-the-way-'.repeat(3)
  const services = Array.from({ length: 20_000 }, (_, i) => sampleService(`${long}${i}`, ['10.0.0.1:1']))
  const { listen } = await build(t, services, { answers })
  const url = await listen()
  const list = () => answers.stats().get('list')
  const clients = await Promise.all(Array.from({ length: 20 }, () => sendAndTakeNothing(t, url, get('/v1/sd'))))
  await until('all are under way', async () => list()?.underWay === clients.length)
  // A list is shared for one second. A slow machine may need longer to read all requests.
  const lists = (list()?.heldBytes ?? 0) / (8 * services.length)
  assert.ok(lists >= 1 && lists <= 5, `${lists} lists`)
  for (const client of clients) client.destroy()
  await until('all are over', async () => list()?.underWay === 0)
  assert.equal(list()?.heldBytes, 0)
})
