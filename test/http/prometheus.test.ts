/** Tests Porthole with a real Prometheus, configured as in deploy/prometheus.yaml: all published series must arrive. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Service } from '../../src/domain/service/service.ts'
import type { AccessSettings } from '../../src/http/requests/access.ts'
import { build, listen, nobody } from '../support/app.ts'
import { limitMs, until } from '../support/process.ts'
import { noPrometheus as skip, startPrometheus } from '../support/prometheus.ts'
import { blocksOf, pages } from '../support/readme.ts'
import { sampleService } from '../support/samples.ts'

/** The queries of docs/metrics.md. The first three show the present state. */
const recipes = pages
  .filter(({ path }) => path === 'docs/metrics.md')
  .flatMap(({ text }) => blocksOf(text).filter(({ language }) => language === 'promql'))
  .map(({ text }) => text)

test('Prometheus reads the metrics, discovers a group of services and scrapes their targets', {
  skip,
  timeout: 3 * limitMs,
}, async (t) => {
  const shop = await listenWithMetrics(t, 'shop_orders_total 7\n')
  const queue = await listen(t)
  const porthole = await listenAsPorthole(t, [
    sampleService('shop', [shop], { groups: ['metrics', 'payments'] }),
    sampleService('queue', [queue.target], { groups: ['payments'] }),
    sampleService('gone', [nobody]),
  ])
  const { activeTargets, query } = await startPrometheus(t, porthole)

  for (const [service, target] of [
    ['shop', shop],
    ['queue', queue.target],
  ]) {
    const found = await until(`porthole_target_up of ${service}`, () =>
      query(`porthole_target_up{service="${service}"}`),
    )
    assert.deepEqual(
      found.map(({ metric, value }) => [metric.job, metric.target, value[1]]),
      [['porthole', target, '1']],
    )
  }

  const discovered = await until('a discovered target that is up', async () => {
    const targets = await activeTargets('porthole-services')
    return targets.length > 0 && targets.every(({ health }) => health === 'up') && targets
  })
  // The queue is in no discovered group. It does not speak HTTP, and must not be scraped.
  assert.equal(discovered.length, 1)
  const [{ labels, discoveredLabels, lastError } = assert.fail()] = discovered
  assert.equal(lastError, '')
  assert.deepEqual(labels, { instance: shop, job: 'porthole-services', service: 'shop', team: 'payments' })
  assert.deepEqual(
    Object.entries(discoveredLabels).filter(([name]) => /^__(address__|meta_porthole_.*)$/.test(name)),
    [
      ['__address__', shop],
      ['__meta_porthole_groups', ',metrics,payments,'],
      ['__meta_porthole_quorum', 'all'],
      ['__meta_porthole_service', 'shop'],
      ['__meta_porthole_status', 'up'],
    ],
  )
  const [orders = assert.fail()] = await until('the metric of the discovered target', () => query('shop_orders_total'))
  const { metric, value } = orders
  assert.deepEqual([metric.service, metric.team, metric.instance, value[1]], ['shop', 'payments', shop, '7'])

  // Each query fails the test if Prometheus refuses it. The others need more time than a test has.
  const answers = await Promise.all(recipes.map(query))
  const byState = answers
    .slice(0, 3)
    .map((found) => found?.map(({ metric, value }) => ({ ...metric, value: value[1] })))
  assert.deepEqual(byState, [
    [{ job: 'porthole', service: 'gone', value: '0' }],
    [{ job: 'porthole', service: 'gone', target: nobody, reason: 'refused', value: '1' }],
    [{ reason: 'refused', value: '1' }],
  ])
})

test('Prometheus sends the token as the example shows, and receives the details', {
  skip,
  timeout: 3 * limitMs,
}, async (t) => {
  const token = 'a-token-for-the-tests-of-prometheus'
  const shop = await listenWithMetrics(t, 'shop_orders_total 7\n')
  const porthole = await listenAsPorthole(t, [sampleService('shop', [shop], { groups: ['metrics'] })], {
    details: 'token',
    tokens: [{ name: 'prometheus', sha256: hash('sha256', token) }],
  })
  const url = `http://${porthole}/v1/sd`
  assert.equal((await fetch(url)).status, 401)
  // Some versions of Prometheus write this where the type is left out.
  assert.equal((await fetch(url, { headers: { authorization: token } })).status, 401)

  const { activeTargets, query } = await startPrometheus(t, porthole, token)
  const [found] = await until('porthole_target_up', () => query('porthole_target_up'))
  assert.equal(found?.metric.target, shop)
  const [{ labels } = assert.fail()] = await until('a discovered target that is up', async () => {
    const targets = await activeTargets('porthole-services')
    return targets.length > 0 && targets.every(({ health }) => health === 'up') && targets
  })
  assert.equal(labels.instance, shop)
})

/** Starts an HTTP server of one page on a free port. Returns its address as a target. */
async function listenWithMetrics(t: TestContext, page: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4').end(page)
  })
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Starts Porthole and checks every target once. Returns `host:port`. */
async function listenAsPorthole(
  t: TestContext,
  services: readonly Service[],
  access: Partial<AccessSettings> = {},
): Promise<string> {
  const { sweep, listen } = await build(t, services, { access })
  await sweep()
  return new URL(await listen()).host
}
