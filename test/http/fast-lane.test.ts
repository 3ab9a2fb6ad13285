import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Built, build, listen, nobody, stoppedClock } from '../app.ts'
import { sampleService } from '../samples.ts'

const own = ['connection', 'date', 'keep-alive']

/** What a request is answered with in memory, where there is only the route, and over a socket, where the lane comes first. */
async function askBothWays({ get }: Built, url: string, path: string, headers: Record<string, string> = {}) {
  const [routed, served] = await Promise.all([get(path, { accept: '*/*', ...headers }), fetch(url + path, { headers })])
  const fromRoute = Object.entries(routed.headers).map(([name, value]) => [name, String(value)] as const)
  return [
    [routed.statusCode, fromRoute.filter(([name]) => !own.includes(name)), routed.body],
    [served.status, [...served.headers].filter(([name]) => !own.includes(name)), await served.text()],
  ].map(([status, heads, body]) => ({ status, headers: Object.fromEntries(heads as [string, string][]), body }))
}

async function buildOfEach(t: TestContext): Promise<{ built: Built; url: string }> {
  const { target } = await listen(t)
  const clock = stoppedClock()
  const services = [
    sampleService('fine', [target]),
    sampleService('halved', [target, nobody], { quorum: 'any' }),
    sampleService('broken', [nobody]),
    sampleService('unseen', [nobody]),
    sampleService('näm€', [target]),
    sampleService('a b/c', [target]),
  ]
  const built = await build(t, services, { clock })
  await built.sweep('fine', 'halved', 'broken', 'näm€', 'a b/c')
  return { built, url: await built.listen() }
}

test('a socket is answered to the byte as the route answers, whatever the status and however it is asked', async (t) => {
  const { built, url } = await buildOfEach(t)
  const plain = ['/health/fine', '/health/halved', '/health/broken', '/health/unseen', '/health/nobody', '/health/']
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
  ]) {
    const [routed, served] = await askBothWays(built, url, '/health/broken', headers)
    assert.deepEqual(served, routed, JSON.stringify(headers))
  }
})

test('what the lane answers is counted with the route', async (t) => {
  const { built, url } = await buildOfEach(t)
  for (let i = 0; i < 3; i++) await (await fetch(`${url}/health/broken`)).text()
  const page = await built.metrics.render()
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
