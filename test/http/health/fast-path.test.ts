import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { rendered } from '../../metrics/page.ts'
import { type Built, build, listen, nobody, stoppedClock } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'
import { hidden, secret } from '../hidden.ts'

const own = ['connection', 'date', 'keep-alive']

/** Returns two answers to a request: of the route alone, in memory, and over a socket, where the fast path comes first. */
async function askBothWays({ get }: Built, url: string, path: string, headers: Record<string, string> = {}) {
  const [routed, served] = await Promise.all([get(path, { accept: '*/*', ...headers }), fetch(url + path, { headers })])
  const fromRoute = Object.entries(routed.headers).map(([name, value]) => [name, String(value)] as const)
  return [
    [routed.statusCode, fromRoute.filter(([name]) => !own.includes(name)), routed.body],
    [served.status, [...served.headers].filter(([name]) => !own.includes(name)), await served.text()],
  ].map(([status, heads, body]) => ({ status, headers: Object.fromEntries(heads as [string, string][]), body }))
}

async function buildOfEach(t: TestContext, access = {}): Promise<{ built: Built; url: string }> {
  const { target } = await listen(t)
  const clock = stoppedClock()
  const services = [
    sampleService('fine', [target]),
    sampleService('halved', [target, nobody], { quorum: 'any' }),
    sampleService('broken', [nobody]),
    sampleService('unseen', [nobody]),
    sampleService('drained', [target]),
    sampleService('näm€', [target]),
    sampleService('a b/c', [target]),
  ]
  const built = await build(t, services, { clock, access })
  await built.sweep('fine', 'halved', 'broken', 'drained', 'näm€', 'a b/c')
  built.registry.setDrained(['drained'], true)
  return { built, url: await built.listen() }
}

test('the fast path answers with the same bytes as the route, for every status and form of request', async (t) => {
  for (const access of [{}, hidden]) await compare(await buildOfEach(t, access))
})

async function compare({ built, url }: { built: Built; url: string }): Promise<void> {
  const names = ['fine', 'halved', 'broken', 'unseen', 'drained', 'nobody', '']
  const plain = names.map((name) => `/health/${name}`)
  const odd = [
    '/health/n%C3%A4m%E2%82%AC',
    '/health/a%20b%2Fc',
    '/health/fine/',
    '/health/halved?degraded=503',
    '/health/fine?x=1',
  ]
  for (const path of [...plain, ...odd]) {
    const [routed, served] = await askBothWays(built, url, path)
    assert.deepEqual(served, routed, path)
  }
  for (const headers of [
    { accept: 'text/plain' },
    { accept: 'application/json' },
    { 'cache-control': 'only-if-cached' },
    { authorization: `Bearer ${secret}` },
    { authorization: 'Bearer not-the-secret' },
  ]) {
    const [routed, served] = await askBothWays(built, url, '/health/broken', headers)
    assert.deepEqual(served, routed, JSON.stringify(headers))
  }
}

test('details shown to one client are not shown to the next client without a token', async (t) => {
  const { url } = await buildOfEach(t, hidden)
  const ask = async (headers = {}) => (await fetch(`${url}/health/fine`, { headers })).json()
  const targets = async (headers = {}) => ((await ask(headers)) as { targets: unknown[] }).targets.length
  const withToken = { authorization: `Bearer ${secret}` }
  assert.deepEqual([await targets(), await targets(withToken), await targets()], [0, 1, 0])
})

test('a drain makes the very next answer 503, and its end restores the answer', async (t) => {
  const { built, url } = await buildOfEach(t)
  const ask = async () => {
    const response = await fetch(`${url}/health/fine`)
    return [response.status, ((await response.json()) as { status: string }).status]
  }
  assert.deepEqual(await ask(), [200, 'up'])
  built.registry.setDrained(['fine'], true)
  assert.deepEqual(await ask(), [503, 'draining'])
  built.registry.setDrained(['fine'], false)
  assert.deepEqual(await ask(), [200, 'up'])
})

test('answers of the fast path are counted with the route', async (t) => {
  const { built, url } = await buildOfEach(t)
  for (let i = 0; i < 3; i++) await (await fetch(`${url}/health/broken`)).text()
  const page = await rendered(built.metrics)
  assert.match(page, /_duration_seconds_count\{method="GET",route="\/health\/:service",status_code="503"\} 3\n/)
})

test('a new outcome shows in the very next answer', async (t) => {
  const listener = await listen(t)
  const built = await build(t, [sampleService('fine', [listener.target])])
  const url = await built.listen()
  await built.sweep()
  assert.equal((await fetch(`${url}/health/fine`)).status, 200)
  await listener.close()
  for (let failures = 0; failures < 3; failures++) await built.sweep()
  assert.equal((await fetch(`${url}/health/fine`)).status, 503)
})
