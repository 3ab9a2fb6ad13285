import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import fastify, { type FastifyReply } from 'fastify'
import type { OpenApi, Schema } from './document.ts'
import { fuzz } from './fuzz.ts'

function sendProblem(reply: FastifyReply, status: number, detail: string, told = status): FastifyReply {
  const problem = { type: 'about:blank', title: 'Wrong', status: told, detail }
  return reply.code(status).type('application/problem+json').serializer(JSON.stringify).send(problem)
}

function fail(): never {
  throw new Error('a bug')
}

/** Wrong answers of a server, with the beginning of the complaint about each. */
const wrongs: [path: string, answer: (reply: FastifyReply) => unknown, complaint: string][] = [
  ['/mismatch', () => ({ count: 'one' }), '200 does not match its schema: /count must be integer'],
  ['/more', () => ({ count: 1, more: 1 }), '200 does not match its schema:  must NOT have additional properties'],
  ['/cut', (reply) => reply.type('application/json').serializer(String).send('{"c'), '200 does not match its schema: '],
  ['/html', (reply) => reply.type('text/html').send('<p>1'), '200 comes as text/html, which is not described'],
  ['/broken', fail, '500 is an error of the server'],
  ['/busy', (reply) => sendProblem(reply, 503, 'busy'), '503 is not described: 200,400,404'],
  ['/teapot', (reply) => sendProblem(reply, 418, 'tea'), '418 is not described: 200,400,404'],
  ['/text', (reply) => reply.code(400).send('no'), '400 comes as text/plain; charset=utf-8 and not as a problem'],
  ['/silent', (reply) => sendProblem(reply, 400, ' '), '400 is a problem without a detail'],
  ['/lying', (reply) => sendProblem(reply, 400, 'no', 404), '400 is a problem of another status'],
  ['/leak', (reply) => sendProblem(reply, 400, String(new Error('oh').stack)), '400 shows code: at '],
  [
    '/bare',
    (reply) => reply.removeHeader('x-content-type-options').send({ count: 1 }),
    'x-content-type-options is missing',
  ],
]

const Count: Schema = {
  type: 'object',
  properties: { count: { type: 'integer' } },
  required: ['count'],
  additionalProperties: false,
}
const Problem: Schema = { type: 'object', properties: { detail: { type: 'string' } }, required: ['status', 'detail'] }
const refused = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
const responses = { 200: { content: { 'application/json': { schema: Count } } }, 400: refused, 404: refused }
const document: OpenApi = {
  paths: Object.fromEntries(['/right', ...wrongs.map(([path]) => path)].map((path) => [path, { get: { responses } }])),
  components: { schemas: { Problem } },
}

/** Builds a server whose answers often differ from its document. */
async function buildWrong(t: TestContext) {
  const app = fastify()
  app.addHook('onRequest', async (_request, reply) => void reply.header('x-content-type-options', 'nosniff'))
  app.get('/right', () => ({ count: 1 }))
  for (const [path, answer] of wrongs) app.get(path, (_request, reply) => answer(reply))
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => app.close())
  return { app, port: (app.server.address() as AddressInfo).port }
}

test('the fuzzer finds every answer that the document does not describe, and names the operation', async (t) => {
  const wrong = await buildWrong(t)
  const { findings, unserved } = await fuzz({ ...wrong, document, seed: 1, requests: 2000, connections: 50 })
  const all = findings.map(({ operation, complaint }) => `${operation}: ${complaint}`)
  const isFound = (start: string) =>
    assert.ok(
      all.some((text) => text.startsWith(start)),
      `${start}\n${all.join('\n')}`,
    )
  for (const [path, , complaint] of wrongs) isFound(`GET ${path}: ${complaint}`)
  // Fastify's own answers for unknown paths and methods.
  isFound('no operation: 404 comes as application/json; charset=utf-8 and not as a problem')
  isFound('no operation: 404 where the method should be refused')
  assert.deepEqual(
    all.filter((text) => text.startsWith('GET /right: ')),
    [],
  )
  assert.ok(findings.every(({ request, times }) => request !== '' && times > 0))
  assert.deepEqual(
    unserved.toSorted(),
    ['/broken', '/busy', '/leak', '/lying', '/silent', '/teapot', '/text'].map((path) => `GET ${path}`),
  )
})

test('the same seed sends the same requests and finds the same mistakes', async (t) => {
  const wrong = await buildWrong(t)
  const ask = () => fuzz({ ...wrong, document, seed: 7, requests: 300, connections: 0 })
  assert.deepEqual(await ask(), await ask())
})
