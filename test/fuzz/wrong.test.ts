import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import fastify, { type FastifyReply } from 'fastify'
import type { OpenApi, Schema } from './document.ts'
import { type Finding, fuzz } from './fuzz.ts'

const problem = (status: number, detail: string) => ({ type: 'about:blank', title: 'Wrong', status, detail })
const sendProblem = (reply: FastifyReply, status: number, detail: string, told = status) =>
  reply.code(status).type('application/problem+json').serializer(JSON.stringify).send(problem(told, detail))

type Wrong = {
  readonly path: string
  readonly answer: (reply: FastifyReply) => unknown
  /** What is said of it; null where nothing is wrong. */
  readonly complaint: string | null
}

const wrongs: Wrong[] = [
  { path: '/right', answer: () => ({ count: 1 }), complaint: null },
  {
    path: '/mismatch',
    answer: () => ({ count: 'one' }),
    complaint: '200 does not match its schema: /count must be integer {"type":"integer"}',
  },
  {
    path: '/unknown-key',
    answer: () => ({ count: 1, more: 1 }),
    complaint: '200 does not match its schema:  must NOT have additional properties {"additionalProperty":"more"}',
  },
  {
    path: '/not-json',
    answer: (reply) => reply.type('application/json').serializer(String).send('{"count":'),
    complaint: '200 does not match its schema:  must be object {"type":"object"}',
  },
  {
    path: '/other-type',
    answer: (reply) => reply.type('text/html').send('<p>1'),
    complaint: '200 comes as text/html, which is not described: application/json',
  },
  {
    path: '/broken',
    answer: () => {
      throw new Error('a bug')
    },
    complaint: '500 is an error of the server',
  },
  { path: '/busy', answer: (reply) => sendProblem(reply, 503, 'busy'), complaint: '503 is not described: 200,400,404' },
  {
    path: '/undescribed',
    answer: (reply) => sendProblem(reply, 418, 'tea'),
    complaint: '418 is not described: 200,400,404',
  },
  {
    path: '/text',
    answer: (reply) => reply.code(400).send('no'),
    complaint: '400 comes as text/plain; charset=utf-8 and not as a problem',
  },
  { path: '/vague', answer: (reply) => sendProblem(reply, 400, ' '), complaint: '400 is a problem without a detail' },
  {
    path: '/lying',
    answer: (reply) => sendProblem(reply, 400, 'no', 404),
    complaint: '400 is a problem of another status',
  },
  {
    path: '/leak',
    answer: (reply) => sendProblem(reply, 400, String(new Error('oh').stack)),
    complaint: '400 tells of the code: ',
  },
  {
    path: '/bare',
    answer: (reply) => reply.removeHeader('x-content-type-options').send({ count: 1 }),
    complaint: 'x-content-type-options is missing, and is there elsewhere',
  },
  { path: '/never/{id}', answer: (reply) => sendProblem(reply, 404, 'never heard of it'), complaint: null },
]

const counted: Schema = {
  type: 'object',
  properties: { count: { type: 'integer' } },
  required: ['count'],
  additionalProperties: false,
}
const Problem: Schema = {
  type: 'object',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'detail'],
}
const refused = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
const responses = { 200: { content: { 'application/json': { schema: counted } } }, 400: refused, 404: refused }
const parameters = [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }]
const document: OpenApi = {
  paths: Object.fromEntries(
    wrongs.map(({ path }) => [path, { get: { responses, parameters: path.includes('{') ? parameters : [] } }]),
  ),
  components: { schemas: { Problem } },
}

/** A server that does what its document does not say. */
async function buildWrong(t: TestContext) {
  const app = fastify()
  app.addHook('onRequest', async (_request, reply) => void reply.header('x-content-type-options', 'nosniff'))
  for (const { path, answer } of wrongs) app.get(path.replace(/\{(.*)\}/, ':$1'), (_request, reply) => answer(reply))
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => app.close())
  return { app, port: (app.server.address() as AddressInfo).port }
}

test('a server that does what its document does not say is told so, each thing by its name', async (t) => {
  const { findings, unserved } = await fuzz({
    ...(await buildWrong(t)),
    document,
    seed: 1,
    requests: 2000,
    connections: 50,
  })
  const found = ({ operation, complaint }: Finding) => `${operation}: ${complaint}`
  const all = findings.map(found)
  for (const { path, complaint } of wrongs) {
    const own = all.filter((text) => text.startsWith(`GET ${path}: `))
    if (complaint === null) assert.deepEqual(own, [])
    else
      assert.ok(
        own.some((text) => text.startsWith(`GET ${path}: ${complaint}`)),
        `${path} ${own.join('\n')}`,
      )
  }
  // Fastify's own answers where there is nothing, or not with this method.
  assert.ok(
    all.includes('no operation: 404 comes as application/json; charset=utf-8 and not as a problem'),
    all.join('\n'),
  )
  assert.ok(all.includes('no operation: 404 where the method should be refused'), all.join('\n'))
  assert.ok(findings.every(({ request, times }) => request !== '' && times > 0))
  assert.ok(unserved.includes('GET /never/{id}') && unserved.includes('GET /text') && !unserved.includes('GET /right'))
})

test('the same seed asks the same', async (t) => {
  const wrong = await buildWrong(t)
  const [one, other] = [
    await fuzz({ ...wrong, document, seed: 7, requests: 300, connections: 0 }),
    await fuzz({ ...wrong, document, seed: 7, requests: 300, connections: 0 }),
  ]
  assert.deepEqual(one, other)
})
