import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Built, build, holdChecks, listen, stoppedClock } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'
import { hidden, secret } from './hidden.ts'

/** Builds two services that are down, one of them drained. Details need the token. */
async function buildHidden(t: TestContext): Promise<Built> {
  const services = [
    sampleService('pg', ['db-1.internal:5432', '10.0.0.6:5432'], { quorum: 'any', groups: ['payments'] }),
    sampleService('mq', ['mq.internal:61616'], { groups: ['payments'] }),
  ]
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const built = await build(t, services, { clock, prober, access: hidden })
  const swept = built.sweep()
  prober.answer({ reason: 'refused' })
  await swept
  built.registry.setDrained(['mq'], true)
  return built
}

const hints = /internal|10\.0\.0|5432|61616|refused|nothing listens/

test('without a token a report has statuses, counts, groups, quorum and times, and no target', async (t) => {
  const { get, monitor } = await buildHidden(t)
  monitor.attribute(() => ({ replica: 'checker.internal', solo: false }))
  const times = { since: '2026-11-22T15:00:05.000Z', checkedAt: '2026-11-22T15:00:05.000Z' }
  const pg = { service: 'pg', status: 'down', ...times, quorum: 'any', groups: ['payments'] }
  const mq = { service: 'mq', status: 'draining', ...times, quorum: 'all', groups: ['payments'] }
  const none = { reason: null, message: null, targetsUp: 0, checkedBy: null, targets: [] }
  const expected = [
    { ...pg, ...none, targetsTotal: 2 },
    { ...mq, ...none, targetsTotal: 1 },
  ]
  for (const query of ['', '?verbose', '?group=payments', '?maxAge=1d&wait=1ms']) {
    const { services, counts } = (await get(`/health${query}`)).json()
    assert.deepEqual(services, expected, query)
    assert.deepEqual(counts, { up: 0, degraded: 0, down: 1, unknown: 0, draining: 1 })
  }
  for (const report of expected) assert.deepEqual((await get(`/health/${report.service}`)).json(), report)
  for (const accept of ['application/json', 'application/health+json', 'text/plain']) {
    for (const url of ['/health', '/health?verbose', '/health/pg', '/health/mq', '/health/gone']) {
      const { body } = await get(url, { accept })
      assert.doesNotMatch(body, hints, `${url} ${accept}`)
    }
  }
})

test('with the token a report has everything, and Vary keeps caches from mixing the two', async (t) => {
  const { get } = await buildHidden(t)
  const ask = async (url: string, token?: string) => {
    const response = await get(url, token === undefined ? {} : { authorization: `Bearer ${token}` })
    return [hints.test(response.body), response.headers.vary, response.statusCode]
  }
  for (const url of ['/health', '/health/pg']) {
    assert.deepEqual(await ask(url), [false, 'accept, authorization', 503])
    assert.deepEqual(await ask(url, `${secret}-not`), [false, 'accept, authorization', 503])
    assert.deepEqual(await ask(url, secret), [true, 'accept', 503])
    assert.deepEqual(
      await ask(url),
      [false, 'accept, authorization', 503],
      'a report with details is not for all clients',
    )
  }
})

test('a client without a token may request checks', async (t) => {
  const listener = await listen(t)
  const { get } = await build(t, [sampleService('pg', [listener.target])], { access: hidden })
  const response = await get('/health/pg', { 'cache-control': 'no-cache' })
  const { targetsUp, targets } = response.json()
  assert.deepEqual([response.statusCode, targetsUp, targets], [200, 1, []])
})

test('as text, a service without details shows its status, its name and its counts', async (t) => {
  const { get } = await buildHidden(t)
  const accept = 'text/plain'
  assert.equal((await get('/health/pg', { accept })).body, 'down      pg  0/2 up\n')
  assert.equal(
    (await get('/health', { accept })).body,
    'down: 0 up, 0 degraded, 1 down, 0 unknown, 1 draining\ndown      pg  0/2 up\ndraining  mq  0/1 up\n',
  )
})

test('as health+json, a service without details has no checks, and an output only while it is drained', async (t) => {
  const { get } = await buildHidden(t)
  const ask = async (url: string) => (await get(url, { accept: 'application/health+json' })).json()
  assert.deepEqual(await ask('/health/pg'), {
    status: 'fail',
    serviceId: 'pg',
    description: '0 of 2 targets up, quorum any',
    checks: {},
  })
  assert.equal((await ask('/health/mq')).output, 'draining: taken out of service by its operator')
  assert.deepEqual(await ask('/health'), {
    status: 'fail',
    description: '0 up, 0 degraded, 1 down, 0 unknown, 1 draining, quorum all',
    output: 'pg is down; mq is draining',
    checks: {},
  })
})

test('the metrics page without details lacks only the families of targets and gateways', async (t) => {
  const { get } = await buildHidden(t)
  const page = async (headers = {}) => {
    const response = await get('/metrics', headers)
    assert.ok(response.body.endsWith('\n') && !response.body.includes('\n\n\n'))
    return response
  }
  const families = (body: string) => [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name)
  const [without, whole] = [await page(), await page({ authorization: `Bearer ${secret}` })]
  assert.doesNotMatch(without.body, /\btarget="|internal|10\.0\.0/)
  assert.match(whole.body, /\btarget="db-1\.internal:5432"/)
  const ofTargets = families(whole.body).filter((name) => name.startsWith('porthole_target_'))
  assert.equal(ofTargets.length, 9)
  assert.deepEqual(
    families(without.body),
    // The addresses of gateways are details as well.
    families(whole.body).filter((name) => ![...ofTargets, 'porthole_gateway_silent_services'].includes(name)),
  )
  assert.match(without.body, /^porthole_service_targets_up\{service="pg"\} +0$/m)
  assert.deepEqual([without.headers.vary, whole.headers.vary], ['authorization, accept-encoding', 'accept-encoding'])
  const mistyped = await get('/metrics', { authorization: 'Bearer mistyped' })
  assert.equal(mistyped.statusCode, 401, 'a scrape with a wrong token fails, so that alerts do not fall silent')
})
