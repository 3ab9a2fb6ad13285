import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import type { HTTPMethods, LightMyRequestResponse } from 'fastify'
import { Problem } from '../../../src/http/answers/problem.ts'
import { build, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

function problemIn(response: LightMyRequestResponse): Problem {
  assert.equal(response.headers['content-type'], 'application/problem+json', response.body)
  const problem = Problem.strict().parse(response.json())
  assert.deepEqual([problem.type, problem.status], ['about:blank', response.statusCode])
  return problem
}

test('an unknown path is 404, and the answer says where to look', async (t) => {
  const { get, app } = await build(t)
  for (const url of ['/nope', '/Health', '/health/a/b', '//health', '/nope?verbose']) {
    const { status, title, detail } = problemIn(await get(url))
    assert.deepEqual([url, status, title], [url, 404, 'Not Found'])
    assert.equal(detail, `Nothing is at ${url.split('?')[0]}: /docs lists all routes.`)
  }
  assert.equal(problemIn(await app.inject({ method: 'DELETE', url: '/nope' })).status, 404)
})

const probePaths = ['/health', '/health/x', '/livez', '/readyz']
const otherPaths = ['/metrics', '/openapi.json', '/docs', '/docs/static/x.css']

test('a known path with another method is 405 with the allowed methods', async (t) => {
  const { app } = await build(t)
  for (const url of [...probePaths, ...otherPaths]) {
    const more = probePaths.includes(url) ? [] : ['OPTIONS']
    const allowed = probePaths.includes(url) ? 'GET, HEAD, OPTIONS' : 'GET, HEAD'
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', ...more] as HTTPMethods[]) {
      const response = await app.inject({ method, url })
      const { status, detail } = problemIn(response)
      assert.deepEqual([url, method, status, response.headers.allow], [url, method, 405, allowed])
      assert.equal(detail, `${method} is not possible here: use ${allowed}.`)
    }
  }
})

test('a body is neither read nor validated where the method is refused', async (t) => {
  const { app } = await build(t)
  for (const [contentType, payload] of [
    ['application/x-odd', '<x/>'],
    ['', 'bytes'],
    ['not a type', 'bytes'],
    ['application/json', '{"broken'],
    ['multipart/form-data', 'no boundary'],
    ['application/json', 'x'.repeat(2_000_000)],
  ] as const) {
    const headers = { 'content-type': contentType }
    assert.equal(problemIn(await app.inject({ method: 'POST', url: '/health', headers, payload })).status, 405)
  }
})

test('a path that cannot be decoded is 400', async (t) => {
  const { get } = await build(t)
  for (const url of ['/%zz', '/health/%', '/health/%E0%A4%A', '/health/%ff'])
    assert.deepEqual([url, problemIn(await get(url)).status], [url, 400])
})

test('a path that is too long for any name is 414; a request line longer than the headers may be is 431', async (t) => {
  const { get, listen } = await build(t)
  assert.equal(problemIn(await get(`/health/${'x'.repeat(5000)}`)).status, 414)
  const url = await listen()
  const response = await fetch(`${url}/health/${'x'.repeat(20_000)}`)
  assert.deepEqual([response.status, response.headers.get('content-type')], [431, 'application/problem+json'])
  assert.equal(Problem.parse(await response.json()).title, 'Request Header Fields Too Large')
})

/** Sends bytes to the server, and reads until it closes the connection. */
async function say(url: string, bytes: string): Promise<string> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(bytes, 'latin1')
  return text(socket)
}

function parseAnswer(answer: string): { line: string; problem: Problem } {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const [line = '', ...headers] = head.split('\r\n')
  assert.ok(headers.includes('Content-Type: application/problem+json'), answer)
  assert.ok(headers.includes(`Content-Length: ${Buffer.byteLength(body)}`), answer)
  return { line, problem: Problem.strict().parse(JSON.parse(body)) }
}

test('bytes that are not HTTP are 400, headers that are too large 431, both with a problem', async (t) => {
  const { listen } = await build(t)
  const url = await listen()
  const valid = 'GET /livez HTTP/1.1\r\nHost: x\r\n'
  for (const bytes of [
    'nonsense\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'GET /livez HTTP/9.9\r\n\r\n',
    'GET /li vez HTTP/1.1\r\n\r\n',
    `${valid}No colon\r\n\r\n`,
    `${valid}Content-Length: -1\r\n\r\n`,
    `${valid}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ]) {
    const { line, problem } = parseAnswer(await say(url, bytes))
    assert.deepEqual([line, problem.status], ['HTTP/1.1 400 Bad Request', 400], bytes)
  }
  const large = parseAnswer(await say(url, `${valid}X-Large: ${'x'.repeat(20_000)}\r\n\r\n`))
  assert.deepEqual([large.line, large.problem.status], ['HTTP/1.1 431 Request Header Fields Too Large', 431])
})

test('HTTP/1.1 without a Host is 400, on the fast path too; an unknown expectation is ignored', async (t) => {
  const { listen } = await build(t, [sampleService('pg', ['pg:5432'])])
  const url = await listen()
  for (const path of ['/livez', '/health/pg', '/nowhere']) {
    const answer = await say(url, `GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 400 .*"detail":"HTTP\/1\.1 needs a Host header: send one\."\}$/s, path)
  }
  const answer = await say(url, 'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\nConnection: close\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 /)
})

test('a request whose body arrives too slowly is answered and its connection closed', {
  timeout: 120_000,
}, async (t) => {
  const { listen } = await build(t)
  const url = await listen()
  const answer = say(
    url,
    'PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  )
  assert.match(await answer, /^HTTP\/1\.1 (404|408) /)
})

test('a client that sends bytes that are not HTTP and stays is disconnected', { timeout: 120_000 }, async (t) => {
  const { listen, app } = await build(t)
  const url = await listen()
  const connected = once(app.server, 'connection')
  const socket = net.connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => socket.destroy())
  const [serverSide] = (await connected) as [Socket]
  const closed = once(serverSide, 'close')
  socket.write('nonsense\r\n\r\n')
  socket.resume()
  await closed
})

/** Builds Porthole with a bug: every request for a check throws. */
async function buildBroken(t: TestContext) {
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const built = await build(t, [sampleService('pg', [nobody], { interval: 'off' })], { logger: { stream } })
  t.mock.method(built.monitor, 'refresh', () => {
    throw new Error('secret-of-the-house')
  })
  return { ...built, lines }
}

test('a bug is 500, and the answer says only where the log has the cause', async (t) => {
  const { get, lines } = await buildBroken(t)
  const response = await get('/health/pg')
  const { status, title, detail } = problemIn(response)
  assert.deepEqual([status, title], [500, 'Internal Server Error'])
  assert.doesNotMatch(response.body + JSON.stringify(response.headers), /secret|\.ts|node_modules|at /)
  const [line, ...more] = lines
  assert.equal(more.length, 0)
  const { level, err, reqId } = line as { level: number; err: { message: string; stack: string }; reqId: string }
  assert.deepEqual([level, err.message], [50, 'secret-of-the-house'])
  assert.match(err.stack, /problem\.test\.ts/)
  assert.equal(detail, `Porthole failed to answer; its log tells why, under reqId ${reqId}.`)
})

test('the server still answers after a bug', async (t) => {
  const { get } = await buildBroken(t)
  assert.equal((await get('/health')).statusCode, 500)
  assert.equal((await get('/health?maxAge=0s')).statusCode, 500)
  assert.equal((await get('/livez')).statusCode, 200)
})

test('at info level no request is logged, whatever its answer', async (t) => {
  const lines: string[] = []
  const logger = { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  const { get, app } = await build(t, [sampleService('pg', [nobody])], { logger })
  for (const url of ['/health', '/health/pg', '/health/gone', '/nope', '/health?quorum=x', '/%zz', '/metrics'])
    await get(url)
  await app.inject({ method: 'POST', url: '/health' })
  assert.deepEqual(lines, [])
})

test('at debug level every request is logged with method, url and status code', async (t) => {
  const lines: Record<string, unknown>[] = []
  const logger = { level: 'debug', stream: { write: (line: string) => void lines.push(JSON.parse(line)) } }
  const { get } = await build(t, [], { logger })
  await get('/health?verbose')
  const { level, method, url, statusCode, msg } = lines[0] ?? {}
  assert.deepEqual([level, method, url, statusCode, msg], [20, 'GET', '/health?verbose', 503, 'request answered'])
  assert.equal(lines.length, 1)
})
