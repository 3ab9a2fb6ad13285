/** Compares the tables of README.md and docs/ with the code they are about. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { buildApp } from '../src/app.ts'
import { parseConfig } from '../src/config/config.ts'
import { FileSettings } from '../src/config/settings.ts'
import { reasons, verdictOf } from '../src/domain/check/outcome.ts'
import { builtInDefaults } from '../src/domain/service/built-in-defaults.ts'
import { defaultExpireAfterMs } from '../src/domain/service/lifetime.ts'
import { type PolicyFieldName, PolicySettings, policyFields } from '../src/domain/service/policy-settings.ts'
import { RegistrationSettings } from '../src/domain/service/registration.ts'
import { expireService, ServiceSettings } from '../src/domain/service/service.ts'
import { createDialRules } from '../src/domain/target/dial-rules.ts'
import { rangeOf } from '../src/domain/target/ip-range.ts'
import { specialRanges } from '../src/domain/target/special-ranges.ts'
import { formatDuration } from '../src/domain/values/duration.ts'
import type { Prober } from '../src/prober/prober.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { rendered } from './metrics/page.ts'
import { createParts, type PartOptions, sampleReplica } from './support/parts.ts'
import { blocksOf, pages, readme, root, tableOf } from './support/readme.ts'
import { registeredService, sampleOutcome, sampleService } from './support/samples.ts'

const structure = tableOf('| key | default | meaning |')
const policy = tableOf('| key | default | range | meaning |')

test('the table of what dial.private covers lists every range', () => {
  const rows = tableOf('| range | what it is for |').flatMap(([ranges = '']) => ranges.split(', '))
  const covered = specialRanges.filter(({ rule }) => rule === 'private').map(({ bits }) => bits)
  assert.deepEqual(new Set(rows.map((text) => rangeOf(text).bits)), new Set(covered))
})

test('the table of reasons lists each with its verdict', () => {
  const rows = tableOf('| reason | verdict | what happened |')
  assert.deepEqual(
    rows.map(([reason, verdict]) => [reason, verdict]),
    reasons.map((reason) => [reason, verdictOf(reason)]),
  )
})

test('the table of routes lists those of the OpenAPI document, and the table of parameters those of /health', async (t) => {
  const { paths } = await describedRoutes(t)
  const rows = tableOf('| route | answer |').map(([route = '']) => route)
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(new Set(rows), new Set([...described, 'GET /docs']))

  const queryOf = (path: string) =>
    paths[path]?.get?.parameters.filter((one) => one.in === 'query').map(({ name }) => name)
  const parameters = tableOf('| parameter | meaning |').map(([name]) => name)
  assert.deepEqual(parameters, queryOf('/health'))
  assert.deepEqual(parameters.slice(-4), queryOf('/health/{service}'))
})

type Paths = Record<string, Partial<Record<string, { parameters: { in: string; name: string }[] }>>>

async function describedRoutes(t: TestContext): Promise<{ paths: Paths }> {
  const app = await buildApp(sampleParts())
  t.after(() => app.close())
  return (await app.inject('/openapi.json')).json()
}

/** Returns the parts of a Porthole. Its targets at port 1 are up, and a firewall rejects the others. */
function sampleParts(options: Pick<PartOptions, 'gateways'> = {}) {
  const clock = systemClock()
  const now = clock.now()
  const prober: Prober = {
    name: 'kernel',
    check: ({ target }, ended) => {
      const icmp = { version: 4, type: 3, code: 3, from: '10.0.0.1' } as const
      const lookUp = { lookupMs: 1, lookupFailedSince: now }
      const outcome =
        target.port === 1 ? sampleOutcome('connected', now, lookUp) : sampleOutcome('rejected', now, { icmp })
      queueMicrotask(() => ended(outcome))
    },
    restarts: () => 0,
    close: async () => undefined,
  }
  const retryingStore = { storeState: () => ({ failure: null, waiting: 0 }) }
  return createParts({ prober, clock, retryingStore, replica: sampleReplica(), ...options })
}

test("the table of settings has every key of the file, and each one's default", () => {
  const { defaults: _, ...shape } = FileSettings.shape
  assert.deepEqual(
    structure.map(([key]) => key),
    Object.entries(shape).flatMap(([key, schema]) => keysOf(key, schema)),
  )
  const text = 'services: { alone: { targets: [a:1] } }\ngroups: { g: {} }'
  const read = parseConfig({ file: { name: 'porthole.yaml', text }, targets: [], env: {} })
  assert(read.ok)
  const { config } = read
  const shared = parseConfig({ file: null, targets: [], env: { PORTHOLE_REDIS_URL: 'redis://redis' } })
  assert(shared.ok)
  const [alone] = config.services
  const { denial } = createDialRules(config.dial)
  assert.deepEqual(
    structure.map(([, byDefault]) => byDefault),
    [
      config.listen.host,
      String(config.listen.port),
      config.listen.hosts?.join() ?? 'none',
      'required',
      alone?.quorum,
      alone?.groups.join() || 'none',
      alone?.resolve,
      config.groups[0]?.quorum,
      config.access.tokens.join() || 'none',
      config.access.details,
      config.data ?? 'none',
      config.replicas?.url ?? 'none',
      shared.config.replicas?.passwordFile ?? 'none',
      shared.config.replicas?.namespace,
      config.dial.allow?.join() ?? 'none',
      config.dial.deny?.join() ?? 'none',
      String(denial('127.0.0.1') === null),
      String(denial('10.0.0.1') === null),
      ...Object.values(config.limits).map(String),
      formatDuration(config.retention.maxAgeMs),
      String(config.retention.maxCount),
      config.metrics.omit.join() || 'none',
      String(config.maxInFlight ?? 'none'),
      formatDuration(config.shutdownDelayMs),
    ],
  )
})

test('every example of docs/configuration.md is a configuration without problems', () => {
  const page = pages.find(({ path }) => path === 'docs/configuration.md')
  const examples = blocksOf(page?.text ?? '').filter(({ language }) => language === 'yaml')
  assert.ok(examples.length >= Object.keys(FileSettings.shape).length)
  for (const { text, line } of examples) {
    const read = parseConfig({ file: { name: 'porthole.yaml', text }, targets: [], env: {} })
    assert.deepEqual([line, read.ok ? [] : read.problems], [line, []])
  }
})

test('docs/tutorial.md shows the file that it starts Porthole with', () => {
  const text = readFileSync(join(root, 'docs/tutorial.yaml'), 'utf8')
  const read = parseConfig({ file: { name: 'docs/tutorial.yaml', text }, targets: [], env: {} })
  assert.deepEqual(read.ok ? read.advice : read.problems, [])
  const page = pages.find(({ path }) => path === 'docs/tutorial.md')
  const [shown] = blocksOf(page?.text ?? '').filter(({ language }) => language === 'yaml')
  assert.equal(shown?.text, text.replace(/^#.*\n/gm, ''))
})

test('the table of registrations has the keys that they have beside those of the file', () => {
  const rows = tableOf('| registration key | default | range | meaning |')
  const { ttl, expireAfter, ...ofFile } = RegistrationSettings.shape
  assert.deepEqual(Object.keys(ofFile), Object.keys(ServiceSettings.shape))
  assert.deepEqual(
    rows.map(([key, byDefault]) => [key, byDefault]),
    [
      ['ttl', 'none'],
      ['expireAfter', formatDuration(defaultExpireAfterMs)],
    ],
  )
  for (const [index, schema] of [ttl, expireAfter].entries())
    for (const bound of rows[index]?.[2]?.split(' to ') ?? []) assert.ok(schema.safeParse(bound).success, bound)
})

/** Returns the keys that a setting has in the file: those of a mapping one by one, with NAME for a name that the operator chooses. */
function keysOf(key: string, schema: unknown): string[] {
  if (schema instanceof z.ZodOptional) return keysOf(key, schema.unwrap())
  if (schema instanceof z.ZodRecord) return keysOf(`${key}.NAME`, schema.valueType)
  if (!(schema instanceof z.ZodObject)) return [key]
  const own = Object.entries(schema.shape).filter(([field]) => !(field in PolicySettings.shape))
  return own.flatMap(([field, inner]) => keysOf(`${key}.${field}`, inner))
}

test("the table of a policy's settings has every key and its default", () => {
  const defaults: Partial<Record<string, string | number>> = builtInDefaults
  const written = (key: string, value = defaults[key]) => {
    if (value === undefined) return key === 'hold' ? 'three look-ups' : 'interval'
    const { kind } = policyFields[key as PolicyFieldName]
    return kind === 'duration' ? formatDuration(Number(value)) : String(value)
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
  const blocks = pages.flatMap(({ text }) => blocksOf(text))
  const help = blocks.find(({ text }) => text.includes('porthole --help | --version'))?.text ?? ''
  const rows = tableOf('| environment, over the file | meaning |')
  assert.deepEqual(new Set(rows.map(([name]) => name)), new Set(help.match(/PORTHOLE_\w+/g)))
})

test('the table of metrics lists those that are exported, with their labels', async () => {
  const { registry, monitor, metrics } = sampleParts({ gateways: { counts: () => new Map([['10.0.0.1', 1]]) } })
  // One target up and one down, so that every family has a sample.
  registry.replaceAll([sampleService('s', ['a:1', 'a:2'], { groups: ['g'] })], [{ name: 'g', quorum: 'all' }])
  registry.setDrained(['s'], true)
  registry.register([expireService(registeredService('t', ['t:1']), 1000)])
  await monitor.refresh([...monitor.services.values()], 0, undefined)
  metrics.observeRequest('GET', '/health', 200, 1)

  const page = await rendered(metrics)
  const exported = [...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => {
    const sample = new RegExp(`^${name}(?:_bucket)?(?:\\{(.*)\\})? `, 'm').exec(page)
    assert(sample !== null, `${name} has no sample here`)
    const labels = [...(sample[1] ?? '').matchAll(/(\w+)="/g)]
      .map(([, label]) => label)
      .filter((label) => label !== 'le')
    return [name, new Set(labels)] as const
  })
  const rows = tableOf('| metric | labels | meaning |').map(
    ([name = '', labels = '']) => [name, new Set(labels.split(', ').filter((label) => label !== ''))] as const,
  )
  assert.deepEqual(new Map(rows), new Map(exported))
})

test('the packages that the CI installs are those the README names', () => {
  const needed = /^needed=\((.*)\)$/m.exec(readFileSync(join(root, '.ci/run'), 'utf8'))?.[1] ?? ''
  const [, afterwards = ''] = readme.split('the Debian packages')
  const [sentence = ''] = afterwards.split(/\.\s/)
  assert.deepEqual(
    new Set(needed.split(' ').map((pair) => pair.split(':')[1])),
    new Set([...sentence.matchAll(/`([\w-]+)`/g)].map(([, name]) => name)),
  )
})
