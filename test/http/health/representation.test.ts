import assert from 'node:assert/strict'
import { test } from 'node:test'
import { preferredType } from '../../../src/http/health/representation.ts'
import { build, listen, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const json = 'application/json'
const healthJson = 'application/health+json'
const text = 'text/plain'

const accepts: [string | undefined, string][] = [
  [undefined, json],
  ['*/*', json],
  ['application/json', json],
  ['application/*', json],
  ['application/health+json', healthJson],
  ['APPLICATION/HEALTH+JSON', healthJson],
  ['text/plain', text],
  ['text/*', text],
  ['text/plain; charset=utf-8', text],
  ['application/health+json;charset=UTF-8', healthJson],
  ['application/json; charset=utf-8', json],
  // q-values (RFC 9110 §12.4.2); the more specific range counts
  ['application/json;q=0.1, text/plain;q=0.9', text],
  ['text/plain;q=0.5, application/health+json', healthJson],
  ['application/json;q=0, */*', healthJson],
  ['*/*;q=0.1, text/plain', text],
  ['text/plain;q=0.5, */*;q=0.5', text],
  // Firefox, Chrome, curl, Kubernetes' probes, Java
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', json],
  [
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7',
    json,
  ],
  ['text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', json],
  // no type of Porthole's, or none at all: a probe needs the status code more than the body
  ['', json],
  ['image/png', json],
  ['text/plain;q=0', json],
  ['nonsense', json],
  [',,;;==', json],
  ['*/json', json],
  ['text/plain;q=many', json],
]

for (const [accept, type] of accepts) {
  test(`Accept: ${accept ?? 'not sent'} is answered with ${type}`, () => {
    assert.equal(preferredType(accept), type)
  })
}

test('a very long Accept is answered', () => {
  assert.equal(preferredType('a/b,'.repeat(4000)), json)
})

test('the answer names its media type, and varies by Accept', async (t) => {
  const { target } = await listen(t)
  const { get, sweep } = await build(t, [sampleService('fine', [target])])
  await sweep()
  for (const url of ['/health', '/health/fine']) {
    for (const type of [json, healthJson, text]) {
      const { statusCode, headers } = await get(url, { accept: type })
      const { 'content-type': contentType, vary } = headers
      assert.deepEqual([statusCode, contentType, vary], [200, `${type}; charset=utf-8`, 'accept'])
    }
  }
})

test('as text, a service is one line with its status, its name and its targets that are not up', async (t) => {
  const { target } = await listen(t)
  const { get, sweep } = await build(t, [
    sampleService('fine', [target]),
    sampleService('halved', [target, nobody], { quorum: 'any' }),
  ])
  await sweep()
  const { body } = await get('/health/halved', { accept: text })
  assert.match(body, /^degraded {2}halved {2}1\/2 up {2}127\.0\.0\.1:1: refused in [\d.]+ ms: nothing listens on .*\n$/)
  assert.match(
    (await get('/health/fine', { accept: text })).body,
    /^up {8}fine {2}1\/1 up {2}127.*: connected in .*\n$/,
  )
})

test('as text, a drained service is draining, with its targets; counts name drained services only if there are any', async (t) => {
  const { target } = await listen(t)
  const { get, sweep, registry } = await build(t, [sampleService('a', [target]), sampleService('longer', [nobody])])
  await sweep()
  registry.setDrained(['longer'], true)
  const { body } = await get('/health', { accept: text })
  const expected =
    /^up: 1 up, 0 degraded, 0 down, 0 unknown, 1 draining\ndraining {2}longer {2}0\/1 up {2}127\.0\.0\.1:1: refused .*\n$/
  assert.match(body, expected)
  assert.match((await get('/health/longer', { accept: text })).body, /^draining {2}longer {2}0\/1 up {2}127.*\n$/)
})

test('as text, a set is one line of counts, then its warnings, then a line for every service', async (t) => {
  const { get } = await build(t, [sampleService('a', ['db:1']), sampleService('longer', ['db:2', 'db:3'])])
  const { body } = await get('/health?exclude=gone', { accept: text })
  assert.equal(
    body,
    `unknown: 0 up, 0 degraded, 0 down, 2 unknown
warning: exclude=gone: there is no such service
unknown   a       0/1 up  db:1: not checked yet
unknown   longer  0/2 up  db:2: not checked yet; db:3: not checked yet
`,
  )
})
