/** Porthole and a real Prometheus, configured as deploy/prometheus.yaml shows: what is published must arrive. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from '../../src/domain/service.ts'
import type { AccessSettings } from '../../src/http/access.ts'
import { build, listen } from '../app.ts'
import { root } from '../readme.ts'
import { sampleService } from '../samples.ts'

// It dies with this process, however that ends.
const [program, ...before] = ['setpriv', '--pdeathsig', 'KILL', 'prometheus'] as const
const skip =
  spawnSync(program, [...before, '--version']).status === 0
    ? false
    : "prometheus (Debian's package of this name) or setpriv (util-linux) is not installed"
const limitMs = 30_000

test('Prometheus reads the metrics, discovers a group of services and scrapes their targets', {
  skip,
  timeout: 3 * limitMs,
}, async (t) => {
  const shop = await listenWithMetrics(t, 'shop_orders_total 7\n')
  const queue = await listen(t)
  const porthole = await listenAsPorthole(t, [
    sampleService('shop', [shop], { groups: ['metrics', 'payments'] }),
    sampleService('queue', [queue.target], { groups: ['payments'] }),
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
  // The queue is in no group of the name, speaks no HTTP, and is not to be scraped.
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
})

test('Prometheus sends the token as the example shows, and sees what only that shows', {
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
  // As some versions of Prometheus write it where the type is left out.
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

/** An HTTP server of one page on a free port; returns it as a target. */
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

/** Porthole, with every target checked once; returns `host:port`. */
async function listenAsPorthole(
  t: TestContext,
  services: readonly Service[],
  access: Partial<AccessSettings> = {},
): Promise<string> {
  const { sweep, listen } = await build(t, services, { access })
  await sweep()
  return new URL(await listen()).host
}

/** The example configuration, pointed at a Porthole and at a test's pace; with a token as it shows, where there is one. */
function configure(porthole: string, tokenFile: string | null): string {
  const written = readFileSync(join(root, 'deploy/prometheus.yaml'), 'utf8')
  const example =
    tokenFile === null
      ? written
      : written.replaceAll('# authorization:', 'authorization:').replaceAll('/etc/prometheus/porthole.token', tokenFile)
  return example
    .replaceAll('localhost:8080', porthole)
    .replace(/(?<=\b(?:scrape|evaluation|refresh)_interval: )\w+/g, '1s')
    .replace('prometheus-rules.yaml', join(root, 'deploy/prometheus-rules.yaml'))
}

type ActiveTarget = {
  readonly labels: Record<string, string>
  readonly discoveredLabels: Record<string, string>
  readonly health: string
  readonly lastError: string
}
type Sample = { readonly metric: Record<string, string>; readonly value: [number, string] }

/** Starts Prometheus on a free port of 127.0.0.1, with its data in a folder of its own; both are gone after the test. */
async function startPrometheus(t: TestContext, porthole: string, token: string | null = null) {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-prometheus-'))
  const file = join(folder, 'prometheus.yaml')
  const tokenFile = join(folder, 'porthole.token')
  // With the end of line that an editor leaves.
  writeFileSync(tokenFile, `${token ?? ''}\n`)
  writeFileSync(file, configure(porthole, token === null ? null : tokenFile))
  const options = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
  ]
  const child = spawn(program, [...before, ...options], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  t.after(async () => {
    child.kill('SIGTERM')
    const lastResort = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(lastResort)
    rmSync(folder, { recursive: true })
  })

  const lines: string[] = []
  createInterface(child.stderr).on('line', (line) => lines.push(line))
  const address = await until('Prometheus to listen', async () => {
    assert.equal(child.exitCode, null, lines.join('\n'))
    return lines.map((line) => /msg="Listening on" address=(127\.0\.0\.1:\d+)/.exec(line)?.[1]).find(Boolean)
  })

  /** Asks its API; until it is ready there is no answer. */
  async function ask<Data>(path: string): Promise<Data | undefined> {
    const response = await fetch(`http://${address}/api/v1/${path}`, { signal: AbortSignal.timeout(limitMs) })
    const body = await response.text()
    if (response.status === 503) return undefined
    assert.equal(response.status, 200, body)
    return (JSON.parse(body) as { data: Data }).data
  }
  return {
    async activeTargets(job: string): Promise<ActiveTarget[]> {
      const data = await ask<{ activeTargets: ActiveTarget[] }>('targets?state=active')
      return (data?.activeTargets ?? []).filter(({ labels }) => labels.job === job)
    },
    /** The series an expression finds now; undefined while there is none. */
    async query(expression: string): Promise<Sample[] | undefined> {
      const data = await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`)
      return data === undefined || data.result.length === 0 ? undefined : data.result
    },
  }
}

/** Asks until there is an answer. */
async function until<Answer>(what: string, ask: () => Promise<Answer | undefined | false>): Promise<Answer> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    assert.ok(Date.now() < deadline, `${what} within ${limitMs} ms`)
    await sleep(50)
  }
}
