import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OpenApi, readDocument } from './document.ts'

const answer = { description: 'An answer.' }
const document: OpenApi = {
  paths: {
    '/things': { get: { responses: { 200: { $ref: '#/components/responses/Things' } } } },
    '/things/{thing}': {
      parameters: [{ name: 'thing', in: 'path', required: true, schema: { type: 'string' } }],
      get: { responses: { 200: answer } },
      put: {
        responses: { 200: answer },
        security: [{ token: [] }],
        parameters: [{ $ref: '#/components/parameters/~0tag~1' }],
      },
    },
    '/things/first': { get: { responses: { 200: answer }, security: [{}, { token: [] }] } },
    '/events': { get: { responses: { 200: { content: { 'text/event-stream': {} } } } } },
  },
  components: {
    securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    responses: { Things: { content: { 'application/json': {} } } },
    parameters: { '~tag/': { name: 'if-match', in: 'header', schema: { type: 'string' } } },
  } as OpenApi['components'] & object,
}
const { operations, placeOf } = readDocument(document)
const find = (name: string) => operations.find((operation) => operation.name === name) ?? assert.fail(name)

test('every operation is read, with references resolved and with the parameters of its path', () => {
  assert.deepEqual(
    operations.map(({ name }) => name),
    ['GET /things', 'GET /things/{thing}', 'PUT /things/{thing}', 'GET /things/first', 'GET /events'],
  )
  assert.deepEqual(
    find('PUT /things/{thing}').parameters.map(({ name }) => name),
    ['thing', 'if-match'],
  )
  assert.deepEqual(find('GET /things').responses.get(200), { content: { 'application/json': {} } })
  assert.deepEqual([find('GET /events').streams, find('GET /things').streams], [true, false])
})

test('an operation requires a token, accepts one, or has none', () => {
  const tokens = operations.map(({ name, token }) => [name, token])
  assert.deepEqual(Object.fromEntries(tokens), {
    'GET /things': 'unknown',
    'GET /things/{thing}': 'unknown',
    'PUT /things/{thing}': 'needed',
    'GET /things/first': 'taken',
    'GET /events': 'unknown',
  })
})

test('a URL is found under the same path as by the router', () => {
  const places: [url: string, path: string | undefined][] = [
    ['/things', '/things'],
    ['/things/', '/things'],
    ['/things?x=/y', '/things'],
    ['/things#x', '/things'],
    ['http://porthole/things', '/things'],
    ['/%74hings', '/things'],
    ['/things/first', '/things/first'],
    ['/things/first/', '/things/first'],
    ['/things/a%2Fb', '/things/{thing}'],
    ['/things/a%252Fb', '/things/{thing}'],
    ['/things/%0A', '/things/{thing}'],
    ['/things//', '/things/{thing}'],
    ['/things/a/b', undefined],
    ['/things/%zz', undefined],
    ['/Things', undefined],
    ['//things', undefined],
    ['', undefined],
  ]
  for (const [url, path] of places) assert.equal(placeOf(url)?.get('GET')?.path, path, url)
})

test('a reference to a missing component is an error of the document', () => {
  const broken = { paths: { '/x': { get: { responses: { 200: { $ref: '#/components/responses/Gone' } } } } } }
  assert.throws(() => readDocument(broken), /refers to #\/components\/responses\/Gone, which is not there/)
})
