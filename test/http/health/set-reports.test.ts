import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Quorum } from '../../../src/domain/service/quorum.ts'
import { HealthJson } from '../../../src/http/health/health-json.ts'
import { computeSetStatus, SetReport } from '../../../src/http/health/set-reports.ts'
import type { ServiceState } from '../../../src/monitor/state/state.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { type Built, build, listen, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'
import { countingSlices } from '../../support/slices.ts'
import { hidden } from '../hidden.ts'

/** Builds a group of services with their status as name, and a group of those that are up. Drains the given services. */
async function buildGroup(t: TestContext, drained: readonly string[], quorum?: Quorum): Promise<Built> {
  const { target } = await listen(t)
  const services = [
    sampleService('up-1', [target], { groups: ['shop', 'ups'] }),
    sampleService('up-2', [target], { groups: ['shop', 'ups'] }),
    sampleService('down-1', [nobody], { groups: ['shop'] }),
    sampleService('unseen', [nobody], { groups: ['shop'] }),
    sampleService('halved', [target, nobody], { groups: ['shop'], quorum: 'any' }),
  ]
  const groups = quorum === undefined ? {} : { shop: { quorum }, ups: { quorum } }
  const built = await build(t, services, { groups })
  await built.sweep('up-1', 'up-2', 'down-1', 'halved')
  built.registry.setDrained(drained, true)
  return built
}

/** Returns the status code, the status, the services in order, and the warnings of a set's answer. */
async function ask({ get }: Built, url: string): Promise<[number, string, string, string[]]> {
  const response = await get(url)
  const { status, services, warnings } = SetReport.strict().parse(response.json())
  return [response.statusCode, status, services.map(({ service }) => service).join(' '), warnings]
}

test('a drained service is left out of the quorum, and counted apart', async (t) => {
  const built = await buildGroup(t, ['down-1', 'unseen'])
  assert.deepEqual(await ask(built, '/health?group=shop'), [200, 'degraded', 'halved down-1 unseen', []])
  const { counts } = (await built.get('/health')).json()
  assert.deepEqual(counts, { up: 2, degraded: 1, down: 0, unknown: 0, draining: 2 })
})

test('a drained service that is up does not help the quorum', async (t) => {
  const built = await buildGroup(t, ['up-1', 'up-2', 'halved'])
  assert.deepEqual(await ask(built, '/health?quorum=any'), [503, 'unknown', 'down-1 unseen up-1 up-2 halved', []])
  assert.equal((await ask(built, '/health?quorum=any&exclude=unseen'))[1], 'down')
})

test('drained services are listed after faults, and before services that are up', async (t) => {
  const built = await buildGroup(t, ['up-1'])
  assert.equal((await ask(built, '/health'))[2], 'down-1 unseen halved up-1')
  assert.equal((await ask(built, '/health?verbose'))[2], 'down-1 unseen halved up-1 up-2')
  const [drained] = (await built.get('/health?group=ups')).json().services
  assert.deepEqual([drained.status, drained.targetsUp, drained.targets[0].status], ['draining', 1, 'up'])
})

test('a replica that cannot reach the others warns that they may report another status, also without details', async (t) => {
  const warning =
    'solo: this replica cannot reach the others and checks everything itself, so they may report another status'
  for (const access of [{}, hidden]) {
    const { monitor, get } = await build(t, [sampleService('pg', [nobody])], { access })
    const warnings = async () => (await get('/health')).json<SetReport>().warnings
    monitor.attribute(() => ({ replica: 'a', solo: false }))
    assert.deepEqual(await warnings(), [])
    monitor.attribute(() => ({ replica: 'a', solo: true }))
    assert.deepEqual(await warnings(), [warning])
    assert.match((await get('/health', { accept: 'text/plain' })).body, new RegExp(`^warning: ${warning}$`, 'm'))
    monitor.attribute(() => ({ replica: 'a', solo: false }))
    assert.deepEqual(await warnings(), [])
  }
})

const many = Array.from({ length: 1000 }, (_, i) => sampleService(`service-${i}`, [nobody]))

test('a set of very many services that are down is reported completely in every media type', async (t) => {
  const { get, sweep } = await build(t, many)
  await sweep()
  const { statusCode, headers, body } = await get('/health')
  const { services, ...summary } = SetReport.strict().parse(JSON.parse(body))
  assert.deepEqual([statusCode, headers['content-type']], [503, 'application/json; charset=utf-8'])
  assert.deepEqual(summary, {
    status: 'down',
    quorum: 'all',
    counts: { up: 0, degraded: 0, down: 1000, unknown: 0, draining: 0 },
    warnings: [],
  })
  assert.deepEqual(new Set(services.map(({ service }) => service)), new Set(many.map(({ name }) => name)))
  const healthJson = HealthJson.strict().parse((await get('/health', { accept: 'application/health+json' })).json())
  assert.equal(Object.keys(healthJson.checks).length, 1000)
  assert.equal(healthJson.output?.split('; ').length, 1000)
  const lines = (await get('/health', { accept: 'text/plain' })).body.split('\n')
  assert.deepEqual([lines[0], lines.length], ['down: 0 up, 0 degraded, 1000 down, 0 unknown', 1002])
  const short = await get('/health/service-7')
  assert.deepEqual(services.find(({ service }) => service === 'service-7')?.targets, short.json().targets)
})

test('HEAD for very many services that are down makes no report', async (t) => {
  const { app, get, sweep, target } = await build(t, many)
  await sweep()
  Object.defineProperty(target('service-7'), 'health', {
    get: () => assert.fail('it was looked at'),
  })
  const { statusCode, body } = await app.inject({ method: 'HEAD', url: '/health' })
  assert.deepEqual([statusCode, body], [503, ''])
  assert.equal((await get('/livez')).statusCode, 200)
})

test('services that are removed while a large set is reported are left out', async (t) => {
  const { put, sweep, listen } = await build(t, many)
  await sweep()
  const { body } = await fetch(`${await listen()}/health`)
  assert(body)
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = (await reader.read()).value ?? ''
  put(many.slice(0, 100))
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value
  const { services, counts } = SetReport.strict().parse(JSON.parse(text))
  assert.equal(counts.down, 1000)
  assert.ok(services.length >= 100 && services.length < 1000, `${services.length} are reported`)
})

test('services that are removed while a large set is counted are left out', async () => {
  const services = Array.from({ length: 60_000 }, (_, i) => ({
    service: { name: `service-${i}` },
    targets: [],
    drained: false,
    checkedAt: i,
    checkedBy: null,
    cachedStatus: 'up',
    cachedUntil: Number.POSITIVE_INFINITY,
  })) as unknown as ServiceState[]
  const [gone] = services.slice(55_000)
  const slice = countingSlices(1000).begin()
  const exists = (one: ServiceState) => one !== gone
  const options = { verbose: false, clock: { now: () => 0 } as Clock, exists, slice }
  const surveying = computeSetStatus(services, options)
  // The loop has yielded, and this service is removed now.
  Object.assign(gone ?? {}, { cachedStatus: 'unknown', checkedAt: null })
  const { counts, listed, checkedAt } = await surveying
  assert.deepEqual([counts.up, counts.unknown, listed, checkedAt], [59_999, 0, [], 0])
})

test('health+json of very many services has no checks without details', async (t) => {
  const { get, sweep } = await build(t, many, { access: hidden })
  await sweep()
  const healthJson = HealthJson.strict().parse((await get('/health', { accept: 'application/health+json' })).json())
  assert.deepEqual([healthJson.status, healthJson.checks], ['fail', {}])
})

test('a set is up when all services but the drained ones are up', async (t) => {
  const built = await buildGroup(t, ['up-1'])
  assert.deepEqual(await ask(built, '/health?group=ups'), [200, 'up', 'up-1', []])
  assert.deepEqual(await ask(built, '/health?group=ups&degraded=503'), [200, 'up', 'up-1', []])
  assert.equal((await ask(built, '/health?group=ups&quorum=50%25'))[1], 'up')
})

test('a set of only drained services is unknown, and says why', async (t) => {
  const built = await buildGroup(t, ['up-1', 'up-2'])
  for (const quorum of ['all', 'any', '2', '50%']) {
    const warning = `a quorum of ${quorum} cannot be met while 2 of 2 services are drained`
    const url = `/health?group=ups&quorum=${encodeURIComponent(quorum)}`
    assert.deepEqual(await ask(built, url), [503, 'unknown', 'up-1 up-2', [warning]])
  }
})

test('a quorum that cannot be met because of drains is down with a warning and not 400, because the caller made no mistake', async (t) => {
  const built = await buildGroup(t, ['up-2'], 2)
  const warning = 'a quorum of 2 cannot be met while 1 of 2 services is drained'
  assert.deepEqual(await ask(built, '/health?group=ups'), [503, 'down', 'up-2', [warning]])
  assert.deepEqual(await ask(built, '/health?group=ups&quorum=1'), [200, 'up', 'up-2', []])
  assert.equal((await built.get('/health?group=ups&quorum=3')).statusCode, 400)
  assert.deepEqual((await ask(built, '/health?group=ups&exclude=gone'))[3], [
    'exclude=gone: there is no such service',
    warning,
  ])
})
