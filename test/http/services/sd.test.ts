import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fastify } from 'fastify'
import type { Service } from '../../../src/domain/service/service.ts'
import { answerWithProblems } from '../../../src/http/answers/problem.ts'
import { compileRequestSchema, compileResponseSchema } from '../../../src/http/requests/schemas.ts'
import { DiscoveredService, discoveryRoutes } from '../../../src/http/services/sd.ts'
import { createAddressTracking } from '../../../src/monitor/discovery/address-tracking.ts'
import { createTimeSlices } from '../../../src/runtime/time-slices.ts'
import { fakeResolver, watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'

/** Serves only the route. The test ends the checks of its monitor. */
async function buildDiscovery(t: TestContext, services: readonly Service[]) {
  const state = watch(services)
  const app = fastify()
  app.setValidatorCompiler(compileRequestSchema)
  app.setSerializerCompiler(compileResponseSchema)
  answerWithProblems(app)
  await app.register(discoveryRoutes, { ...state, slices: createTimeSlices() })
  t.after(() => app.close())
  /** Returns the list. Fails unless it matches the schema and the rules of Prometheus. */
  async function discover(query = ''): Promise<DiscoveredService[]> {
    const response = await app.inject(`/v1/sd${query}`)
    assert.equal(response.statusCode, 200, response.body)
    // The only content type that Prometheus's http_sd accepts, in one of its accepted spellings.
    assert.match(String(response.headers['content-type']), /^application\/json(; charset=utf-8)?$/)
    return DiscoveredService.strict().array().parse(response.json())
  }
  const names = async (query: string) =>
    (await discover(query)).map(({ labels }) => labels.__meta_porthole_service).join(' ')
  const statuses = async () => (await discover()).map(({ labels }) => labels.__meta_porthole_status).join(' ')
  return { ...state, app, discover, names, statuses }
}

test('an empty registry is an empty list', async (t) => {
  const { discover } = await buildDiscovery(t, [])
  assert.deepEqual(await discover(), [])
})

test('a service is one entry with its targets and labels for relabeling', async (t) => {
  const { discover } = await buildDiscovery(t, [
    sampleService('pg', ['DB-1.internal:5432', '[::1]:5432'], { groups: ['payments', 'core'], quorum: '50%' }),
    sampleService('a "quoted" \\ name, Zürich', ['127.0.0.1:1']),
  ])
  assert.deepEqual(await discover(), [
    {
      targets: ['DB-1.internal:5432', '[::1]:5432'],
      labels: {
        __meta_porthole_service: 'pg',
        __meta_porthole_groups: ',payments,core,',
        __meta_porthole_status: 'unknown',
        __meta_porthole_quorum: '50%',
      },
    },
    {
      targets: ['127.0.0.1:1'],
      labels: {
        __meta_porthole_service: 'a "quoted" \\ name, Zürich',
        __meta_porthole_groups: '',
        __meta_porthole_status: 'unknown',
        __meta_porthole_quorum: 'all',
      },
    },
  ])
})

test('the status is that at the time of the request, also when only age changes it', async (t) => {
  const { clock, target, checkOnce, statuses } = await buildDiscovery(t, [
    sampleService('pg', ['pg:1', 'pg:2'], { quorum: 'any' }),
    sampleService('mq', ['mq:1']),
  ])
  assert.equal(await statuses(), 'unknown unknown')
  await checkOnce(target('pg', 'pg:1'), 'connected')
  await checkOnce(target('pg', 'pg:2'), 'refused')
  await checkOnce(target('mq', 'mq:1'), 'timeout')
  assert.equal(await statuses(), 'degraded down')
  clock.advance(60_000)
  assert.equal(await statuses(), 'unknown unknown')
})

test('a drained service has the status draining for every status of its targets', async (t) => {
  const { registry, target, checkOnce, statuses } = await buildDiscovery(t, [sampleService('pg', ['pg:1'])])
  await checkOnce(target('pg', 'pg:1'), 'connected')
  assert.equal(await statuses(), 'up')
  registry.setDrained(['pg'], true)
  assert.equal(await statuses(), 'draining')
  await checkOnce(target('pg', 'pg:1'), 'refused')
  assert.equal(await statuses(), 'draining')
  registry.setDrained(['pg'], false)
  assert.equal(await statuses(), 'up')
})

test('a redefined or removed service changes the list at once', async (t) => {
  const { discover, registry } = await buildDiscovery(t, [
    sampleService('pg', ['pg:1'], { groups: ['core'] }),
    sampleService('mq', ['mq:1']),
  ])
  await discover()
  registry.replaceAll([sampleService('pg', ['pg:1', 'pg:2'], { groups: ['payments'] })], [])
  const found = await discover()
  assert.deepEqual(
    found.map(({ targets, labels }) => [targets.join(' '), labels.__meta_porthole_groups]),
    [['pg:1 pg:2', ',payments,']],
  )
})

test('the addresses of a name are listed as they are checked, and follow its look-ups', async (t) => {
  const { monitor, registry, clock, prober, discover } = await buildDiscovery(t, [
    sampleService('pg', ['db:5432', '10.9.9.9:5432'], { resolve: 'all', hold: 0 }),
  ])
  const resolver = fakeResolver()
  const addressTracking = createAddressTracking({ monitor, registry, resolver, clock })
  const targets = async () => (await discover()).flatMap(({ targets }) => targets)
  assert.deepEqual(await targets(), ['db:5432', '10.9.9.9:5432'])
  for (const found of [['10.0.0.1'], ['10.0.0.2', 'fd00::1']]) {
    resolver.say('db', found)
    clock.advance(11_000)
    addressTracking.lookUpDue()
    await setImmediate()
    await prober.answerAll('connected')
    const [{ labels } = assert.fail()] = await discover()
    // Only the targets change: one of them was never checked.
    assert.equal(labels.__meta_porthole_status, 'unknown')
    const names = monitor.services.get('pg')?.targets.map(({ target }) => target.name)
    assert.equal(names?.length, found.length + 1)
    assert.deepEqual(await targets(), names)
  }
  assert.deepEqual(await targets(), ['10.0.0.2:5432', '[fd00::1]:5432', '10.9.9.9:5432'])
})

test('?group= selects one or several groups, and an unknown group is an empty list', async (t) => {
  const { names } = await buildDiscovery(t, [
    sampleService('pg', ['pg:1'], { groups: ['payments', 'core'] }),
    sampleService('mq', ['mq:1'], { groups: ['core'] }),
    sampleService('web', ['web:1'], { groups: ['search & find'] }),
    sampleService('alone', ['alone:1']),
  ])
  assert.equal(await names(''), 'pg mq web alone')
  assert.equal(await names('?group=core'), 'pg mq')
  assert.equal(await names('?group=search%20%26%20find&group=payments'), 'web pg')
  assert.equal(await names('?group=pay'), '')
  assert.equal(await names('?group=pay&group=core'), 'pg mq')
})

test('an unknown query parameter is 400, and the answer names it', async (t) => {
  const { app } = await buildDiscovery(t, [])
  const response = await app.inject('/v1/sd?groups=core')
  assert.equal(response.statusCode, 400)
  assert.equal(response.headers['content-type'], 'application/problem+json')
  assert.equal(response.json().detail, 'unknown query parameter groups: there is only group')
})
