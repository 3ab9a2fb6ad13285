/** Compares the README's tables with the code they are about. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../src/clock.ts'
import { parseConfig } from '../src/config/config.ts'
import { FileSettings } from '../src/config/settings.ts'
import { formatDuration } from '../src/domain/duration.ts'
import { Reason, verdictOf } from '../src/domain/outcome.ts'
import { builtInDefaults, PolicySettings, ServiceSettings } from '../src/domain/service.ts'
import { createMetrics } from '../src/metrics/metrics.ts'
import { createMonitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry.ts'
import { blocksOf, readme, tableOf } from './readme.ts'
import { sampleOutcome, sampleService } from './samples.ts'

const structure = tableOf(readme, '| key | default | meaning |')
const policy = tableOf(readme, '| key | default | range | meaning |')

test('the table of reasons lists each with its verdict', () => {
  const rows = tableOf(readme, '| reason | verdict | what happened |')
  assert.deepEqual(
    rows.map(([reason, verdict]) => [reason, verdict]),
    Reason.options.map((reason) => [reason, verdictOf(reason)]),
  )
})

test("the table of settings has every key of the file, and each one's default", () => {
  const { listen, defaults: _, services: _named, groups, ...plain } = FileSettings.shape
  const own = Object.keys(ServiceSettings.shape).filter((key) => !(key in PolicySettings.shape))
  assert.deepEqual(
    structure.map(([key]) => key),
    [
      ...Object.keys(listen.unwrap().shape).map((key) => `listen.${key}`),
      ...own.map((key) => `services.NAME.${key}`),
      ...Object.keys(groups.unwrap().valueType.shape).map((key) => `groups.NAME.${key}`),
      ...Object.keys(plain),
    ],
  )
  const text = 'services: { alone: { targets: [a:1] }, grouped: { targets: [a:1], groups: [g] } }'
  const read = parseConfig({ file: { name: 'porthole.yaml', text }, targets: [], env: {} })
  assert(read.ok)
  const { config } = read
  const [alone] = config.services
  assert.deepEqual(
    structure.map(([, byDefault]) => byDefault),
    [
      config.listen.host,
      String(config.listen.port),
      'required',
      alone?.quorum,
      alone?.groups.join() || 'none',
      config.groups[0]?.quorum,
      String(config.maxInFlight ?? 'none'),
      formatDuration(config.shutdownDelayMs),
    ],
  )
})

test("the table of a policy's settings has every key and its default", () => {
  const defaults: Partial<Record<string, string | number>> = builtInDefaults
  const written = (key: string, value = defaults[key]) => {
    if (value === undefined) return 'interval'
    return typeof value === 'number' && !['rise', 'fall'].includes(key) ? formatDuration(value) : String(value)
  }
  assert.deepEqual(
    policy.map(([key, byDefault]) => [key, byDefault]),
    Object.keys(PolicySettings.shape).map((key) => [key, written(key)]),
  )
})

test("the ranges of a policy's settings are those that are accepted", () => {
  const accepts = (key: string, text: string) =>
    PolicySettings.safeParse({ [key]: /^\d+$/.test(text) ? Number(text) : text }).success
  for (const [key = '', , range = ''] of policy.filter(([, , range]) => range !== '')) {
    const [from = '', to = ''] = range.split(' to ')
    assert.deepEqual([key, accepts(key, from), accepts(key, to)], [key, true, true])
    const beyond = to.replace(/^\d+/, (count) => String(Number(count) + 1))
    const below = from.replace(/^\d+/, (count) => String(Number(count) - 1))
    assert.deepEqual([key, accepts(key, below), accepts(key, beyond)], [key, false, false])
  }
})

test('the table of the environment lists the variables that --help names', () => {
  const help = blocksOf(readme).find(({ text }) => text.includes('porthole --help | --version'))?.text ?? ''
  const rows = tableOf(readme, '| environment, over the file | meaning |')
  assert.deepEqual(rows.map(([name]) => name).sort(), [...new Set(help.match(/PORTHOLE_\w+/g))].sort())
})

test('the table of metrics lists those that are exported, with their labels', async () => {
  const clock = systemClock()
  const registry = createRegistry()
  const now = clock.now()
  const monitor = createMonitor({
    registry,
    clock,
    maxInFlight: 2,
    prober: {
      name: 'portable',
      // One up and one down, so that every family has a sample.
      check: async ({ target }) => sampleOutcome(target.port === 1 ? 'connected' : 'refused', now),
      close: async () => undefined,
    },
  })
  const metrics = createMetrics({ monitor, registry, clock, prober: 'portable', version: '0.1.0' }, { runtime: false })
  registry.replaceAll([sampleService('s', ['a:1', 'a:2'], { groups: ['g'] })], [{ name: 'g', quorum: 'all' }])
  await monitor.refresh([...monitor.services.values()], 0, undefined)
  metrics.observeRequest('GET', '/health', 200, 1)

  const page = await metrics.render()
  const exported = [...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => {
    const sample = new RegExp(`^${name}(?:_bucket)?(?:\\{(.*)\\})? `, 'm').exec(page)
    assert(sample !== null, `${name} has no sample here`)
    const labels = [...(sample[1] ?? '').matchAll(/(\w+)="/g)]
      .map(([, label]) => label)
      .filter((label) => label !== 'le')
    return [name, labels.sort().join(', ')]
  })
  const rows = tableOf(readme, '| metric | labels | meaning |')
  assert.deepEqual(
    rows.map(([name = '', labels = '']) => [name, labels.split(', ').sort().join(', ')]).sort(),
    exported.sort(),
  )
})
