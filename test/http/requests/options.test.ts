import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build, listen, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

test('OPTIONS is answered like GET on routes for probes, for every status', async (t) => {
  const { target } = await listen(t)
  const { app, sweep, registry, readiness } = await build(t, [
    sampleService('up', [target]),
    sampleService('degraded', [target, nobody], { quorum: 'any' }),
    sampleService('down', [nobody]),
    sampleService('drained', [target]),
    sampleService('asked', [target], { interval: 'off' }),
  ])
  await sweep()
  registry.setDrained(['drained'], true)
  readiness.drain()
  for (const [url, status] of [
    ['/health', 503],
    ['/health?exclude=down', 200],
    ['/health/up', 200],
    ['/health/asked', 200],
    ['/health/degraded', 200],
    ['/health/degraded?degraded=503', 503],
    ['/health/down', 503],
    ['/health/drained', 503],
    ['/health/nobody', 404],
    ['/health/up?nonsense', 400],
    ['/livez', 200],
    ['/readyz', 503],
  ] as const) {
    const [asked, got] = [await app.inject({ method: 'OPTIONS', url }), await app.inject({ url })]
    assert.deepEqual([url, asked.statusCode, asked.headers.allow], [url, status, 'GET, HEAD, OPTIONS'])
    assert.deepEqual([got.statusCode, got.body], [asked.statusCode, asked.body], url)
  }
})

test('OPTIONS with HTTP/1.0 and no Host, as HAProxy sends it, checks a service without an interval', async (t) => {
  const { target, dials } = await listen(t)
  const { app } = await build(t, [sampleService('asked', [target], { interval: 'off' })])
  const { statusCode } = await app.inject({ method: 'OPTIONS', url: '/health/asked', headers: { host: '' } })
  assert.deepEqual([statusCode, await dials()], [200, 1])
})

test('OPTIONS is 405 on other routes, because a 200 would report a service as up without a check', async (t) => {
  const { app } = await build(t)
  for (const url of ['/', '/metrics', '/v1/services', '/services/x', '/badge/x.svg']) {
    const { statusCode, headers } = await app.inject({ method: 'OPTIONS', url })
    assert.deepEqual([url, statusCode, headers.allow], [url, 405, 'GET, HEAD'])
  }
})
