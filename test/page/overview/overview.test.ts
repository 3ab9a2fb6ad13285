import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { quorumsOf } from '../../../src/config/groups.ts'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import type { Quorum } from '../../../src/domain/service/quorum.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import { createNameOrder } from '../../../src/http/services/name-order.ts'
import type { Monitor } from '../../../src/monitor/monitor.ts'
import type { Registry } from '../../../src/monitor/registry/registry.ts'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { createOverview, type Overview } from '../../../src/page/overview/overview.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { createTimeSlices } from '../../../src/runtime/time-slices.ts'
import { watch } from '../../monitor/fakes.ts'
import { build, holdChecks, stoppedClock } from '../../support/app.ts'
import { changedService, sampleService } from '../../support/samples.ts'

/** Returns the sorted names of the services of a registry, and time slices, as the overview needs them. */
function namesOf({ monitor, registry }: { readonly monitor: Monitor; readonly registry: Registry }) {
  const slices = createTimeSlices()
  return { names: createNameOrder({ monitor, registry, slices }), slices }
}

/** Builds an overview of these services. The test ends their checks. */
function oversee(t: TestContext, services: readonly Service[], groups: Record<string, { quorum?: Quorum }> = {}) {
  const state = watch(services)
  const { monitor, registry, clock, service, checkOnce } = state
  registry.replaceAll(services, quorumsOf({ groups }))
  const log = createTransitionLog({ monitor, clock })
  const overview = createOverview({ ...namesOf(state), monitor, registry, log, clock })
  t.after(() => overview.close())
  /** Checks the targets of a service in turn. The check of the first target ends with the first reason, and so on. */
  async function find(name: string, ...reasons: Reason[]) {
    for (const [index, reason] of reasons.entries()) {
      const target = service(name).targets[index] ?? assert.fail(`${name} has no target ${index}`)
      await checkOnce(target, reason)
    }
  }
  return { ...state, log, overview, read: overview.read, find }
}

const one = (name: string, settings: Parameters<typeof sampleService>[2] = {}) =>
  sampleService(name, [`${name}:1`], { rise: 1, fall: 1, ...settings })
const namesIn = ({ services }: Overview) => services.map(({ state }) => state.service.name).join(' ')
const groupsIn = ({ groups }: Overview) => groups.map(({ name, status }) => `${name} ${status}`).join(', ')

test('there is an overview without services', async (t) => {
  const { read } = oversee(t, [])
  assert.deepEqual(await read(), {
    services: [],
    groups: [],
    counts: { up: 0, degraded: 0, down: 0, unknown: 0, draining: 0 },
    checkedAt: null,
    isSolo: false,
    pending: null,
  })
})

test('the worst status comes first; services that are not up are sorted by their last change, others by name', async (t) => {
  const half = (name: string) => sampleService(name, [`${name}:1`, `${name}:2`], { quorum: 'any' })
  const { read, find, clock, registry } = oversee(t, [
    ...['z-up', 'b-up', 'a-up', 'a-down', 'm-down', 'z-down', 'a-new', 'b-new', 'drained'].map((name) => one(name)),
    half('halved'),
    half('a-halved'),
  ])
  for (const name of ['b-up', 'z-up', 'a-up', 'drained']) {
    await find(name, 'connected')
    clock.advance(1000)
  }
  for (const name of ['m-down', 'a-down', 'z-down']) {
    await find(name, 'refused')
    clock.advance(1000)
  }
  for (const name of ['a-halved', 'halved']) {
    await find(name, 'connected', 'refused')
    clock.advance(1000)
  }
  registry.setDrained(['drained'], true)
  const seen = await read()
  assert.equal(namesIn(seen), 'z-down a-down m-down a-new b-new halved a-halved drained a-up b-up z-up')
  assert.deepEqual(
    seen.services.map(({ status }) => status).join(' '),
    'down down down unknown unknown degraded degraded draining up up up',
  )
  assert.deepEqual(seen.counts, { up: 3, degraded: 2, down: 3, unknown: 2, draining: 1 })
})

test('services down since the same time are sorted by name, and a service that was never checked is the last of the unknown', async (t) => {
  const { read, find, clock } = oversee(
    t,
    ['c', 'a', 'b', 'z-new', 'stale'].map((name) => one(name)),
  )
  await find('stale', 'connected')
  clock.advance(100_000)
  for (const name of ['b', 'c', 'a']) await find(name, 'refused')
  assert.equal(namesIn(await read()), 'a b c stale z-new')
})

test('a service whose status goes stale is unknown without an event', async (t) => {
  const { read, find, clock } = oversee(t, [one('pg')])
  await find('pg', 'connected')
  assert.equal((await read()).services[0]?.status, 'up')
  clock.advance(100_000)
  assert.equal((await read()).services[0]?.status, 'unknown')
})

test('the time of the overview is that of the latest check of any service', async (t) => {
  const { read, find, clock } = oversee(t, [one('a'), one('b'), one('never')])
  assert.equal((await read()).checkedAt, null)
  await find('b', 'connected')
  clock.advance(5000)
  await find('a', 'refused')
  assert.equal((await read()).checkedAt, clock.now())
  clock.advance(5000)
  assert.equal((await read()).checkedAt, clock.now() - 5000)
})

test('a group has its own quorum, and drained services do not count in it', async (t) => {
  const inGroups = (name: string, ...groups: string[]) => one(name, { groups })
  const { read, find, registry } = oversee(
    t,
    [
      inGroups('a', 'any', 'all', 'half', 'two'),
      inGroups('b', 'any', 'all', 'half', 'two'),
      inGroups('c', 'any', 'all', 'half', 'two', 'alone'),
    ],
    { any: { quorum: 'any' }, half: { quorum: '50%' }, two: { quorum: 2 } },
  )
  assert.equal(groupsIn(await read()), 'all unknown, alone unknown, any unknown, half unknown, two unknown')
  await find('a', 'connected')
  await find('b', 'refused')
  await find('c', 'refused')
  assert.equal(groupsIn(await read()), 'all down, alone down, half down, two down, any degraded')
  registry.setDrained(['c'], true)
  assert.equal(groupsIn(await read()), 'all down, two down, alone unknown, any degraded, half degraded')
  registry.setDrained(['b'], true)
  assert.equal(groupsIn(await read()), 'two down, alone unknown, all up, any up, half up')
  const [{ quorum, counts } = assert.fail()] = (await read()).groups
  assert.deepEqual([quorum, counts], [2, { up: 1, degraded: 0, down: 0, unknown: 0, draining: 2 }])
})

test('groups of the same status are sorted by name', async (t) => {
  const { read } = oversee(t, [one('a', { groups: ['zoo', 'Ärzte', 'bank'] }), one('b', { groups: ['apes'] })])
  assert.deepEqual(
    (await read()).groups.map(({ name }) => name),
    ['apes', 'bank', 'zoo', 'Ärzte'],
  )
})

test('groups and services have the same status as in GET /health', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const services = [
    one('a', { groups: ['both', 'first'] }),
    one('b', { groups: ['both'] }),
    sampleService('c', ['c:1', 'c:2'], { groups: ['both', 'last'], quorum: 'any' }),
    one('d', { groups: ['last'] }),
  ]
  const built = await build(t, services, { clock, prober, groups: { both: { quorum: 2 }, last: { quorum: '50%' } } })
  const log = createTransitionLog(built)
  const overview = createOverview({ ...built, ...namesOf(built), log })
  async function compare() {
    const seen = await overview.read()
    for (const { name, status, quorum, counts } of seen.groups) {
      const report = (await built.get(`/health?group=${name}`)).json()
      assert.deepEqual([status, String(quorum), counts], [report.status, report.quorum, report.counts], name)
    }
    const report = (await built.get('/health?verbose')).json()
    assert.deepEqual(seen.counts, report.counts)
    for (const { state, status } of seen.services) {
      const { name } = state.service
      assert.equal(status, (await built.get(`/health/${name}`)).json().status, name)
    }
  }
  await compare()
  for (const [name, reason] of [
    ['a', 'connected'],
    ['b', 'refused'],
    ['c', 'connected'],
    ['d', 'timeout'],
  ] as const) {
    const swept = built.sweep(name)
    prober.answer({ reason })
    await swept
    await compare()
  }
  for (const name of ['b', 'a', 'c', 'd']) {
    built.registry.setDrained([name], true)
    await compare()
  }
})

test('an overview is cached for one second', async (t) => {
  const { read, find, clock } = oversee(t, [one('pg')])
  await find('pg', 'connected')
  const seen = await read()
  await find('pg', 'connected')
  clock.advance(999)
  assert.equal(await read(), seen)
  clock.advance(1)
  assert.notEqual(await read(), seen)
  assert.equal((await read()).checkedAt, clock.now() - 1000)
})

test('the cached overview is dropped at once when a status changes', async (t) => {
  const { read, find } = oversee(t, [one('pg')])
  await find('pg', 'connected')
  assert.equal(namesIn(await read()), 'pg')
  await find('pg', 'refused')
  const seen = await read()
  assert.equal(seen.counts.down, 1)
  assert.equal(await read(), seen, 'the new overview is cached')
})

test('the cached overview is dropped at once when services are added, removed or drained', async (t) => {
  const { read, registry } = oversee(t, [one('b')])
  assert.equal(namesIn(await read()), 'b')
  registry.register([one('a'), one('c')].map((service) => changedService(service, { origin: 'http' })))
  assert.equal(namesIn(await read()), 'a b c')
  registry.deregister('c', 'deregistered')
  assert.equal(namesIn(await read()), 'a b')
  registry.setDrained(['b'], true)
  assert.equal((await read()).counts.draining, 1)
  registry.replaceAll([], [])
  assert.equal(namesIn(await read()), 'a')
})

test('overviews take at most a twentieth of the time, however many events there are', async (t) => {
  const { monitor, registry, log, find, clock } = oversee(t, [one('pg')])
  let reads = 0
  /** A clock by which computing an overview takes 50 ms. */
  const slow: Clock = {
    ...clock,
    now: () => {
      if (reads++ % 2 === 1) clock.advance(50)
      return clock.now()
    },
  }
  let looks = 0
  const { read, close } = createOverview({ ...namesOf({ monitor, registry }), monitor, registry, log, clock: slow })
  t.after(close)
  let seen = await read()
  const until = clock.now() + 20_000
  for (let turn = 0; clock.now() < until; turn++) {
    await find('pg', turn % 2 === 0 ? 'connected' : 'refused')
    clock.advance(10)
    reads = 0
    const next = await read()
    if (next !== seen) looks++
    seen = next
  }
  assert.ok(looks >= 15 && looks <= 20, `${looks} looks of 50 ms in 20 s`)
})

test('a closed overview ignores events', async (t) => {
  const { read, overview, find } = oversee(t, [one('pg')])
  const seen = await read()
  overview.close()
  await find('pg', 'connected')
  assert.equal(await read(), seen)
})

test('the overview is solo if a solo replica checks any of its services', async (t) => {
  const { read, monitor, clock } = oversee(t, [one('a'), one('b')])
  assert.equal((await read()).isSolo, false)
  for (const [solo, expected] of [
    ['', false],
    ['a', true],
    ['b', true],
  ] as const) {
    monitor.attribute((name) => ({ replica: 'one', solo: name === solo }))
    clock.advance(1000)
    assert.equal((await read()).isSolo, expected)
  }
})
