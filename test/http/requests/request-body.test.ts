import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from '../../support/app.ts'

const secret = 'a-secret-that-is-long-enough'
const tokens = [{ name: 'tests', sha256: createHash('sha256').update(secret).digest('hex') }]
const json = 'application/json'
const definition = '{"targets":["127.0.0.1:1"]}'

/** Registers a service with a body. Returns the answer. */
async function put(t: TestContext, payload: string | Buffer, headers: Record<string, string> = {}) {
  const { app } = await build(t, [], { access: { tokens } })
  const all = { authorization: `Bearer ${secret}`, 'content-type': json, ...headers }
  const response = await app.inject({ method: 'PUT', url: '/v1/services/pg', headers: all, payload })
  return { ...response, headers: response.headers, problem: response.json() }
}

for (const encoding of ['gzip', 'br', 'GZIP', 'identity, gzip']) {
  test(`a body with Content-Encoding: ${encoding} is 415 with a remedy`, async (t) => {
    const { statusCode, headers, problem } = await put(t, gzipSync(definition), { 'content-encoding': encoding })
    assert.deepEqual([statusCode, headers['accept-encoding']], [415, 'identity'])
    assert.match(problem.detail, /^A body with Content-Encoding: .* is not read: send it as it is\.$/)
  })
}

for (const type of [`${json}; charset=latin1`, `${json};charset="iso-8859-1"`, `${json}; charset=utf-16`]) {
  test(`a body of type ${type} is 415`, async (t) => {
    const { statusCode, headers, problem } = await put(t, definition, { 'content-type': type })
    assert.deepEqual([statusCode, headers['accept-encoding']], [415, undefined])
    assert.match(problem.detail, /^A body with charset=\S+ is not read: JSON is UTF-8 \(RFC 8259 §8\.1\)\.$/)
  })
}

for (const type of [
  json,
  `${json}; charset=utf-8`,
  `${json};charset="UTF-8"`,
  `${json}; charset=utf8`,
  'Application/JSON',
])
  test(`a body of type ${type} is read`, async (t) => {
    const headers = { 'content-type': type, 'content-encoding': 'identity' }
    assert.equal((await put(t, definition, headers)).statusCode, 201)
  })

test('a body that is not UTF-8 is 400, and no byte is silently replaced', async (t) => {
  const { statusCode, problem } = await put(t, Buffer.from('{"targets":["127.0.0.1:1"],"groups":["é"]}', 'latin1'))
  assert.deepEqual([statusCode, problem.detail], [400, 'The body is not UTF-8, as JSON has to be (RFC 8259 §8.1).'])
})

test('a key that is written twice is 400 with its place, at any depth', async (t) => {
  const { statusCode, problem } = await put(
    t,
    '{"targets":["127.0.0.1:1"],"dial":{"a":[{"b":1,"b":2}]},"interval":"5s","interval":"1s"}',
  )
  assert.equal(statusCode, 400)
  assert.deepEqual(problem.errors, [
    { in: 'body', pointer: '/dial/a/0/b', detail: '/dial/a/0/b is written twice: keep one of them' },
    { in: 'body', pointer: '/interval', detail: '/interval is written twice: keep one of them' },
  ])
})
