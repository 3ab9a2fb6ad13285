import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { IncomingMessage } from 'node:http'
import net, { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import fastify, { type HTTPMethods } from 'fastify'
import type { Token } from '../../../src/domain/values/token.ts'
import { Problem } from '../../../src/http/answers/problem.ts'
import { type AccessSettings, createAccess } from '../../../src/http/requests/access.ts'
import { build, nobody, stoppedClock } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const secret = 'correct-horse-battery-staple'
const wrong = 'incorrect-horse-battery-staple'
const other = 'another-horse-battery-staple'

function sampleToken(text: string, name = 'deploy'): Token {
  return { name, sha256: createHash('sha256').update(text).digest('hex') }
}

/** A server with one route that changes something and one that shows details. */
function buildDoors(t: TestContext, settings: Partial<AccessSettings> = {}) {
  const clock = stoppedClock()
  const all: AccessSettings = { tokens: [sampleToken(secret)], details: 'token', ...settings }
  const access = createAccess({ settings: all, clock })
  const app = fastify()
  t.after(() => app.close())
  app.put('/change', { onRequest: access.requireToken }, ({ raw }) => ({ by: access.nameOf(raw) }))
  app.get('/details', { onRequest: access.requireTokenForDetails }, () => ({}))
  app.get('/health', async ({ raw }) => {
    const [details, again] = [access.showsDetails(raw), access.showsDetails(raw)]
    assert.equal(details, again)
    return { details }
  })
  const ask = (method: HTTPMethods) => (url: string, authorization?: string, remoteAddress?: string) =>
    app.inject({
      method,
      url,
      headers: authorization === undefined ? {} : { authorization },
      ...(remoteAddress === undefined ? {} : { remoteAddress }),
    })
  return { app, access, clock, put: ask('PUT'), get: ask('GET') }
}

const bearer = (token: string) => `Bearer ${token}`
const challenge = 'Bearer realm="porthole"'

const refused: [authorization: string | undefined, detail: RegExp][] = [
  [undefined, /^This needs a token: send it as Authorization: Bearer TOKEN\.$/],
  ['', /^This is not how a token is sent: write Authorization: Bearer TOKEN\.$/],
  ['Bearer', /not how/],
  ['Bearer ', /not how/],
  [secret, /not how/],
  [`Basic ${Buffer.from(`deploy:${secret}`).toString('base64')}`, /not how/],
  [`Bearer${secret}`, /not how/],
  [`Bearer\t${secret}`, /not how/],
  [`Bearer "${secret}"`, /not how/],
  [`Bearer ${secret}, Bearer ${secret}`, /not how/],
  [`Bearer ${wrong},${secret}`, /not how/],
  [`Bearer ${secret} ${secret}`, /not how/],
  [`Bearer ${secret}\u00e9`, /not how/],
  [`Bearer =`, /not how/],
]

test('a request without a token, or with a malformed one, is 401 and says how to send one', async (t) => {
  const { put, get } = buildDoors(t)
  for (const [authorization, detail] of refused) {
    for (const response of [await put('/change', authorization), await get('/details', authorization)]) {
      assert.equal(response.statusCode, 401, authorization)
      assert.equal(response.headers['www-authenticate'], challenge)
      assert.equal(response.headers['content-type'], 'application/problem+json')
      assert.match(Problem.strict().parse(response.json()).detail, detail, authorization)
    }
  }
})

test('a wrong token is 401 with error=invalid_token', async (t) => {
  for (const token of [wrong, secret.slice(1), secret.toUpperCase(), `${secret}=`, sampleToken(secret).sha256, 'a']) {
    const response = await buildDoors(t).put('/change', bearer(token))
    assert.deepEqual([token, response.statusCode], [token, 401])
    assert.equal(response.headers['www-authenticate'], `${challenge}, error="invalid_token"`)
    assert.equal(response.json().detail, 'This token is not known here.')
  }
})

test('the scheme Bearer may be in any case and followed by several spaces', async (t) => {
  const { put } = buildDoors(t)
  for (const authorization of [bearer(secret), `bearer ${secret}`, `BEARER   ${secret}`])
    assert.equal((await put('/change', authorization)).statusCode, 200, authorization)
})

test('each of several tokens has its own name', async (t) => {
  const secrets = ['one-one-one-one-one', 'two-two-two-two-two', 'three-three-three=='] as const
  const { put } = buildDoors(t, { tokens: secrets.map((text, index) => sampleToken(text, `token-${index}`)) })
  for (const [index, text] of secrets.entries())
    assert.deepEqual((await put('/change', bearer(text))).json(), { by: `token-${index}` })
})

test('without a configured token every change is 403 and says how to configure one', async (t) => {
  const { put, get, access } = buildDoors(t, { tokens: [] })
  for (const authorization of [undefined, bearer(secret), bearer('')]) {
    const [change, details] = [await put('/change', authorization), await get('/details', authorization)]
    assert.deepEqual([change.statusCode, details.statusCode], [403, 403])
    assert.equal(
      change.json().detail,
      'No token is configured, so no client may change anything: set PORTHOLE_TOKEN, or tokens in the configuration.',
    )
    assert.equal(
      details.json().detail,
      'Details need a token, and none is configured: set PORTHOLE_TOKEN, or tokens in the configuration, or details: all.',
    )
    assert.deepEqual((await get('/health', authorization)).json(), { details: false })
  }
  assert.equal(access.nameOf(new IncomingMessage(new Socket())), null)
})

test('new settings apply from the next request on', async (t) => {
  const { put, get, access } = buildDoors(t)
  access.configure({ tokens: [sampleToken('another-token-than-before')], details: 'all' })
  assert.equal((await put('/change', bearer(secret))).statusCode, 401)
  assert.equal((await put('/change', bearer('another-token-than-before'))).statusCode, 200)
  assert.equal((await get('/details')).statusCode, 200)
})

test('a token of 100 kB is 401, and over a socket 431 because the headers are too large', {
  timeout: 120_000,
}, async (t) => {
  const { put } = buildDoors(t)
  for (const token of ['x'.repeat(100_000), '='.repeat(100_000), `${'x'.repeat(100_000)}é`, `x${'='.repeat(100_000)}!`])
    assert.equal((await put('/change', bearer(token))).statusCode, 401)
  const { listen } = await build(t, [], { access: { tokens: [sampleToken(secret)], details: 'token' } })
  const authorization = bearer('x'.repeat(100_000))
  const response = await fetch(`${await listen()}/v1/services`, { headers: { authorization } })
  assert.equal(response.status, 431)
})

test('the first of two Authorization headers counts, because Node.js keeps that one', async (t) => {
  const { app } = buildDoors(t)
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const ask = async (...tokens: string[]) => {
    const socket = net.connect(Number(port), '127.0.0.1')
    const headers = tokens.map((token) => `Authorization: Bearer ${token}\r\n`).join('')
    socket.write(`PUT /change HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`)
    return (await text(socket)).slice(9, 12)
  }
  assert.deepEqual([await ask(secret, wrong), await ask(wrong, secret)], ['200', '401'])
})

test('after ten wrong tokens in a minute a client waits until the minute is over, even with a right token that is new to it', async (t) => {
  const { put, get, clock } = buildDoors(t)
  for (let i = 0; i < 10; i++) assert.equal((await put('/change', bearer(wrong))).statusCode, 401)
  clock.advance(17_500)
  for (const token of [wrong, secret]) {
    const response = await put('/change', bearer(token))
    assert.deepEqual([response.statusCode, response.headers['retry-after']], [429, '43'])
    assert.equal(response.headers['www-authenticate'], undefined)
    assert.equal(
      Problem.strict().parse(response.json()).detail,
      'Too many wrong tokens came from this address: try again in 43 s.',
    )
    assert.deepEqual((await get('/health', bearer(token))).json(), { details: false })
  }
  assert.equal((await put('/change')).statusCode, 401, 'a request without a token says that one is needed')
  assert.equal((await put('/change', bearer(secret), '127.0.0.2')).statusCode, 200, 'other addresses do not wait')
  clock.advance(42_500)
  assert.equal((await put('/change', bearer(secret))).statusCode, 200)
})

test('a right token resets no count, and still works for its client while other tokens have to wait', async (t) => {
  const { put, access } = buildDoors(t, { tokens: [sampleToken(secret), sampleToken(other, 'other')] })
  for (let i = 0; i < 10; i++) {
    assert.equal((await put('/change', bearer(secret))).statusCode, 200)
    assert.equal((await put('/change', bearer(wrong))).statusCode, 401)
  }
  assert.equal((await put('/change', bearer(secret))).statusCode, 200)
  for (const token of [wrong, other]) assert.equal((await put('/change', bearer(token))).statusCode, 429)
  access.configure({ tokens: [sampleToken(other, 'other')], details: 'all' })
  assert.equal((await put('/change', bearer(secret))).statusCode, 429, 'a withdrawn token is wrong like any other')
})

test('a malformed token does not count as an attempt', async (t) => {
  const { put } = buildDoors(t)
  for (let i = 0; i < 3; i++) for (const [authorization] of refused) await put('/change', authorization)
  assert.equal((await put('/change', bearer(secret))).statusCode, 200)
})

test('one request counts as one attempt, however often its token is read', async (t) => {
  const { get, put } = buildDoors(t)
  for (let i = 0; i < 9; i++) assert.deepEqual((await get('/health', bearer(wrong))).json(), { details: false })
  assert.equal((await put('/change', bearer(wrong))).statusCode, 401)
  assert.equal((await put('/change', bearer(wrong))).statusCode, 429)
})

test('wrong tokens count for a whole /64 of IPv6', async (t) => {
  const { put } = buildDoors(t)
  for (let i = 0; i < 10; i++) await put('/change', bearer(wrong), `2001:db8::${i}`)
  assert.equal((await put('/change', bearer(secret), '2001:db8::dead:beef:0:1')).statusCode, 429)
  assert.equal((await put('/change', bearer(secret), '2001:db8:0:1::1')).statusCode, 200)
})

test('no attempt is counted while no token is configured', async (t) => {
  const { put, get, access } = buildDoors(t, { tokens: [] })
  for (let i = 0; i < 20; i++) {
    assert.equal((await put('/change', bearer(wrong))).statusCode, 403)
    assert.equal((await get('/health', bearer(wrong))).json().details, false)
  }
  access.configure({ tokens: [sampleToken(secret)], details: 'all' })
  assert.equal((await put('/change', bearer(secret))).statusCode, 200)
})

test('with details for all, the request is not read', (t) => {
  const { access } = buildDoors(t, { details: 'all' })
  const request = new Proxy({}, { get: () => assert.fail('the request was read') }) as IncomingMessage
  assert.equal(access.showsDetails(request), true)
})

test('with details: token, only the right token shows details', async (t) => {
  const { get } = buildDoors(t)
  const shown = async (authorization?: string) => (await get('/health', authorization)).json().details
  assert.deepEqual(
    [await shown(), await shown('Basic x'), await shown(bearer(wrong)), await shown(bearer(secret))],
    [false, false, false, true],
  )
})

test('the log says once that a client has to wait, and contains no token', async (t) => {
  const lines: string[] = []
  const logger = { level: 'trace', stream: { write: (line: string) => void lines.push(line) } }
  const { get } = await build(t, [], { logger, access: { tokens: [sampleToken(secret)], details: 'token' } })
  for (let i = 0; i < 15; i++) await get('/v1/services', { authorization: bearer(i < 12 ? wrong : secret) })
  const warnings = lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 40)
  assert.deepEqual(
    warnings.map(({ level, client, msg }) => ({ level, client, msg })),
    [{ level: 40, client: '127.0.0.1', msg: 'too many wrong tokens: this client has to wait' }],
  )
  assert.doesNotMatch(lines.join(''), /horse/)
})

const withToken = { access: { tokens: [sampleToken(secret)], details: 'token' } } as const
/** The routes that stay open without a token, because they show no targets or leave them out. */
const open = ['/health', '/health/pg', '/livez', '/readyz', '/metrics', '/docs', '/openapi.json']

/** Returns every operation of the document, with its method and a URL to request. */
async function documented(t: TestContext) {
  const { get } = await build(t)
  const { paths } = (await get('/openapi.json')).json() as {
    paths: Record<string, Record<string, { security?: unknown; responses: object }>>
  }
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase() as HTTPMethods,
      path,
      url: path.replace('{service}', 'pg'),
      operation,
    })),
  )
}

test('with details: token, every route under /v1 needs a token, and no other route does', async (t) => {
  const { app, listen } = await build(t, [sampleService('pg', [nobody])], withToken)
  const routes = (await documented(t)).filter(({ path }) => path.startsWith('/v1/'))
  assert.ok(routes.length >= 8)
  const heads = routes.filter(({ method }) => method === 'GET').map((route) => ({ ...route, method: 'HEAD' as const }))
  for (const { method, url } of [...routes, ...heads]) {
    const response = await app.inject({ method, url })
    assert.deepEqual([method, url, response.statusCode], [method, url, 401])
    assert.doesNotMatch(response.body, /127\.0\.0\.1/)
  }
  const base = await listen()
  const headers = { authorization: bearer(secret) }
  for (const { method, url } of [...routes, ...heads].filter(({ method }) =>
    ['GET', 'HEAD', 'POST'].includes(method),
  )) {
    const response = await fetch(base + url, { method, headers })
    await response.body?.cancel()
    assert.deepEqual([method, url, response.status], [method, url, 200])
  }
  for (const url of open) assert.ok([200, 503].includes((await app.inject({ url })).statusCode), url)
})

test('with details for all, every route that changes nothing is open', async (t) => {
  const { app } = await build(t, [sampleService('pg', [nobody])], { access: { tokens: [sampleToken(secret)] } })
  for (const { method, url, operation } of await documented(t)) {
    if (url === '/v1/events') continue
    const { statusCode } = await app.inject({ method, url })
    const isChange = JSON.stringify(operation.security) === '[{"token":[]}]'
    assert.equal(isChange, method === 'PUT' || method === 'DELETE', `${method} ${url}`)
    assert.equal(statusCode === 401, isChange, `${method} ${url}: ${statusCode}`)
  }
})

test('a client without a token cannot learn from 404 and 405 which services are registered', async (t) => {
  const { app } = await build(t, [sampleService('pg', [nobody])], withToken)
  const answers = async (method: HTTPMethods, url: string) => {
    const { statusCode, body, headers } = await app.inject({ method, url })
    return { statusCode, body: body.replaceAll('/gone', '/pg'), allow: headers.allow }
  }
  for (const suffix of [
    '',
    '/transitions',
    '/uptime',
    '/checks',
    '/drain',
    '/nothing',
    '?x=1',
    '/transitions?limit=x',
  ]) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as HTTPMethods[]) {
      const known = await answers(method, `/v1/services/pg${suffix}`)
      assert.deepEqual(known, await answers(method, `/v1/services/gone${suffix}`), `${method} ${suffix}`)
      assert.ok([401, 404, 405].includes(known.statusCode), `${method} ${suffix}: ${known.statusCode}`)
    }
  }
})

test('the document says which routes need a token, which may need one, and how they refuse', async (t) => {
  for (const { method, path, operation } of await documented(t)) {
    const needed = JSON.stringify(operation.security)
    const refusals = ['401', '403', '429'].filter((status) => status in operation.responses)
    if (!path.startsWith('/v1/') && path !== '/metrics')
      assert.deepEqual([path, needed, refusals], [path, undefined, []])
    else {
      assert.ok(['[{"token":[]}]', '[{},{"token":[]}]'].includes(needed), `${method} ${path}: ${needed}`)
      assert.deepEqual([path, refusals], [path, ['401', '403', '429']])
    }
  }
})

test('an open stream ends when the server closes, also with details: token', { timeout: 120_000 }, async (t) => {
  const { app, listen } = await build(t, [], withToken)
  const { port } = new URL(await listen())
  const socket = net.connect(Number(port), '127.0.0.1')
  socket.write(`GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\n/)
  const closed = once(socket.resume(), 'close')
  await app.close()
  await closed
})
