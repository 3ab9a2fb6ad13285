import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { Problem } from '../../../src/http/answers/problem.ts'
import { securityHeaders } from '../../../src/http/answers/security.ts'
import { build, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const secret = 'correct-horse-battery-staple'
const tokens = [{ name: 'deploy', sha256: createHash('sha256').update(secret).digest('hex') }]
const authorization = `Bearer ${secret}`

test('the headers are those of an API on plain http', () => {
  assert.deepEqual(securityHeaders, {
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
})

function assertSecure(headers: Headers, what: string): void {
  for (const [name, value] of Object.entries(securityHeaders))
    assert.equal(headers.get(name), value, `${what}: ${name}`)
  for (const name of ['x-powered-by', 'server', 'strict-transport-security'])
    assert.equal(headers.get(name), null, `${what}: ${name}`)
}

const answers: [statusCode: number, path: string, init?: RequestInit][] = [
  [200, '/livez'],
  [503, '/readyz'],
  [503, '/health'],
  [503, '/health/pg'],
  [503, '/health/pg', { headers: { accept: 'text/plain' } }],
  [503, '/health/pg', { method: 'HEAD' }],
  [200, '/metrics'],
  [200, '/openapi.json'],
  [200, '/v1/services'],
  [200, '/v1/sd'],
  [200, '/v1/events', { method: 'HEAD' }],
  [400, '/%zz'],
  [400, '/health?nope'],
  [401, '/v1/services/pg/drain', { method: 'PUT' }],
  [404, '/nope'],
  [404, '/health/nope'],
  [405, '/health', { method: 'DELETE' }],
  [405, '/v1/services', { method: 'OPTIONS' }],
  [414, `/health/${'x'.repeat(5000)}`],
]

test('every answer has the headers, whichever layer sends it', async (t) => {
  const { listen } = await build(t, [sampleService('pg', [nobody])], { access: { tokens } })
  const url = await listen()
  for (const [statusCode, path, init = {}] of answers) {
    const what = `${init.method ?? 'GET'} ${path.slice(0, 40)}`
    const response = await fetch(url + path, init)
    await response.text()
    assert.equal(response.status, statusCode, what)
    assertSecure(response.headers, what)
  }
})

test('a stream of events has the headers', async (t) => {
  const { listen } = await build(t)
  const response = await fetch(`${await listen()}/v1/events`)
  assertSecure(response.headers, 'a stream')
  await response.body?.cancel()
})

test('the answer to bytes that are not HTTP has the headers', async (t) => {
  const { listen } = await build(t)
  const socket = net.connect(Number(new URL(await listen()).port), '127.0.0.1')
  socket.write('nonsense\r\n\r\n')
  const [, ...lines] = (await text(socket)).split('\r\n\r\n', 1)[0]?.split('\r\n') ?? []
  assertSecure(new Headers(lines.map((line) => line.split(': ', 2) as [string, string])), 'nonsense')
})

test('the API reference has its own policy, which allows only its own files, and the other headers', async (t) => {
  const { listen } = await build(t)
  const url = await listen()
  for (const path of ['/docs', '/docs/static/swagger-ui-bundle.js', '/docs/static/index.css']) {
    const response = await fetch(url + path)
    const { headers } = response
    await response.text()
    const { 'content-security-policy': _, ...rest } = securityHeaders
    for (const [name, value] of Object.entries(rest)) assert.equal(headers.get(name), value, `${path}: ${name}`)
    const policy = headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'self';.*frame-ancestors 'self';.*script-src 'self' *;/)
    assert.doesNotMatch(policy, /unsafe|upgrade-insecure-requests/)
  }
})

test('the API reference accepts a token', async (t) => {
  const { get } = await build(t)
  const { components } = (await get('/docs/json')).json()
  assert.deepEqual([components.securitySchemes.token.type, components.securitySchemes.token.scheme], ['http', 'bearer'])
})

/** Builds Porthole with routes that fail in every possible way. */
async function buildBroken(t: TestContext) {
  const lines: string[] = []
  const { app } = await build(t, [], { logger: { stream: { write: (line: string) => void lines.push(line) } } })
  const fail = () => {
    throw Object.assign(new Error('secret-of-the-house'), { statusCode: 418, headers: { 'x-secret': 'house' } })
  }
  const failLater = async () => fail()
  const schema = { response: { 200: z.object({ n: z.number() }) } }
  const circular: Record<string, unknown> = {}
  circular.self = circular
  app.get('/handler', fail)
  app.get('/later', failLater)
  app.get('/text', () => Promise.reject('secret-of-the-house'))
  app.get('/nothing', () => Promise.reject())
  app.get('/on-request', { onRequest: failLater }, () => '')
  app.get('/pre-validation', { preValidation: failLater }, () => '')
  app.get('/pre-handler', { preHandler: (_request, _reply, done) => done(new Error('secret-of-the-house')) }, () => '')
  app.get('/pre-serialization', { preSerialization: failLater }, () => ({}))
  app.get('/on-send', { onSend: failLater }, () => '')
  app.get('/mismatch', { schema }, () => ({ n: 'secret-of-the-house' }))
  app.get('/circular', () => circular)
  app.get('/bigint', () => ({ n: 1n }))
  app.get('/stream', () => new Readable({ read: fail }))
  app.get('/header', (_request, reply) => reply.header('x-secret', 'line\nbreak').send(''))
  const paths = ['handler', 'later', 'text', 'nothing', 'on-request', 'pre-validation', 'pre-handler']
  return {
    app,
    lines,
    paths: [...paths, 'pre-serialization', 'on-send', 'mismatch', 'circular', 'bigint', 'stream', 'header'],
  }
}

const leak = /secret|house|teapot|\.ts\b|\.js\b|node_modules|node:|line \d|\bat /i

test('every internal failure is 500 with a line in the log, and its message reaches no client', async (t) => {
  const before = process.env.NODE_ENV ?? ''
  t.after(() => {
    process.env.NODE_ENV = before
  })
  for (const environment of [undefined, 'development', 'production']) {
    if (environment === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = environment
    const { app, paths, lines } = await buildBroken(t)
    for (const path of paths) {
      const { statusCode, headers, body } = await app.inject(`/${path}`)
      assert.equal(statusCode, 500, path)
      assert.equal(headers['content-type'], 'application/problem+json', path)
      const { detail, status } = Problem.strict().parse(JSON.parse(body))
      assert.equal(status, 500)
      assert.doesNotMatch(body + JSON.stringify(headers), leak, path)
      assertSecure(new Headers(headers as Record<string, string>), path)
      const reqId = /^Porthole failed to answer; its log tells why, under reqId (\S+)\.$/.exec(detail)?.[1]
      assert.ok(
        lines.map((line) => JSON.parse(line)).some((line) => line.reqId === reqId && line.level === 50),
        path,
      )
    }
  }
})

test('a stream that fails midway is cut off, and no bytes are added', async (t) => {
  const { app } = await build(t)
  app.get('/stream', () => {
    const stream = new PassThrough()
    stream.write('one '.repeat(20_000))
    setImmediate(() => stream.destroy(new Error('secret-of-the-house')))
    return stream
  })
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const socket = net.connect(Number(port), '127.0.0.1')
  socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
  const answer = await text(socket)
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*\r\n(one ){20000}\r\n$/s)
})

const json = 'application/json'
const definition = '{"targets":["127.0.0.1:1"]}'
const bodies: [statusCode: number, contentType: string, payload: string | Buffer][] = [
  [400, json, ''],
  [400, json, '{"targets":'],
  [400, json, 'null'],
  [400, json, '{"__proto__":{"targets":["127.0.0.1:1"]}}'],
  [400, json, '{"targets":["127.0.0.1:1"],"__proto__":{"x":1}}'],
  [400, json, '{"targets":["127.0.0.1:1"],"constructor":{"prototype":{"x":1}}}'],
  [400, json, '['.repeat(30_000)],
  [400, json, `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
  [400, json, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
  [
    400,
    json,
    Buffer.concat([Buffer.from('{"targets":["127.0.0.1:1"],"quorum":"'), Buffer.from([0xc3, 0x28, 0x22, 0x7d])]),
  ],
  [413, json, `{"targets":["${'x'.repeat(100_000)}"]}`],
  [415, 'text/html', definition],
  [415, 'application/x-www-form-urlencoded', 'targets=127.0.0.1:1'],
  [415, 'multipart/form-data', definition],
  [415, '', definition],
  [415, 'not a type', definition],
]

test('an invalid body is refused with a sentence that repeats nothing internal', async (t) => {
  const { app } = await build(t, [], { access: { tokens } })
  for (const [expected, contentType, payload] of bodies) {
    const headers = { authorization, 'content-type': contentType }
    const {
      statusCode,
      body,
      headers: sent,
    } = await app.inject({ method: 'PUT', url: '/v1/services/pg', headers, payload })
    const what = `${contentType} ${payload.toString('latin1').slice(0, 60)}`
    assert.equal(statusCode, expected, `${what}: ${body}`)
    assert.equal(Problem.strict().parse(JSON.parse(body)).status, expected, what)
    assert.doesNotMatch(body, leak, what)
    assertSecure(new Headers(sent as Record<string, string>), what)
  }
})

test('a body that breaks off is not logged as a failure of Porthole', { timeout: 120_000 }, async (t) => {
  const lines: string[] = []
  const logger = { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  const { app, listen } = await build(t, [], { logger, access: { tokens } })
  const { port } = new URL(await listen())
  lines.length = 0
  const accepted = once(app.server, 'connection')
  const socket = net.connect(Number(port), '127.0.0.1')
  const [serverSide] = (await accepted) as [net.Socket]
  const head = `PUT /v1/services/pg HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: ${json}`
  const asked = once(app.server, 'request')
  socket.write(`${head}\r\nContent-Length: 1000\r\n\r\n{"tar`)
  await asked
  const closed = new Promise((resolve) => serverSide.on('close', resolve))
  socket.resetAndDestroy()
  await closed
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(lines, [])
})
