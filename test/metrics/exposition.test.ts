import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Registry as Register } from 'prom-client'
import { addServiceMetrics, addTargetMetrics } from '../../bench/prom-client-page.ts'
import { type Reason, reasons } from '../../src/domain/check/outcome.ts'
import type { Service } from '../../src/domain/service/service.ts'
import type { MetricFamily } from '../../src/domain/values/metric-family.ts'
import { createExposition, type Exposition } from '../../src/metrics/exposition.ts'
import { createSelection, type SelectionQuery } from '../../src/metrics/selection.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { rowsPerChunk } from '../../src/monitor/state/columns.ts'
import type { Prober } from '../../src/prober/prober.ts'
import { fakeClock, fakeProber } from '../monitor/fakes.ts'
import { stoppedClock } from '../support/app.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'
import { countingSlices } from '../support/slices.ts'
import { familiesOf, familyOf, readPage } from './page.ts'
import { assertAccepted, noPromtool } from './promtool.ts'

/** Returns a whole page of an exposition. */
async function chunkOf(exposition: Exposition, query: SelectionQuery = {}): Promise<string> {
  let page = ''
  for await (const chunk of exposition.renderChunks({ targets: true, selection: createSelection(query) })) {
    assert.equal(chunk.at(-1), 0x0a, 'a chunk ends with a line')
    page += chunk.toString()
  }
  return page
}

/** Builds a monitor whose checks end as the test says, its exposition, and prom-client's rendering of the same series. */
function watchBoth(prober: 'kernel' | 'portable' = 'kernel', omit: MetricFamily[] = []) {
  const clock = stoppedClock()
  const registry = createRegistry()
  let found: { reason: Reason; latencyMs: number | null; synRetransmits: number } = {
    reason: 'connected',
    latencyMs: 0.1,
    synRetransmits: 0,
  }
  const checks: Prober = {
    name: prober,
    check: (_request, ended) => queueMicrotask(() => ended(sampleOutcome(found.reason, clock.now(), found))),
    restarts: () => 0,
    close: async () => {},
  }
  const monitor = createMonitor({ registry, prober: checks, clock, maxInFlight: 100 })
  const exposition = createExposition({ monitor, registry, clock, prober, omit })
  const register = new Register()
  addServiceMetrics({ monitor, registry, clock }, [register])
  addTargetMetrics({ monitor, clock, prober }, [register])
  return {
    clock,
    registry,
    monitor,
    exposition,
    async check(service: string, index: number, next: typeof found) {
      found = next
      const targets = monitor.services.get(service)?.targets ?? []
      const state = targets[index % Math.max(1, targets.length)]
      if (state !== undefined) await monitor.check(state)
    },
    page: (query?: SelectionQuery) => chunkOf(exposition, query),
    /** Returns the page of prom-client, without the families that Porthole leaves out. */
    async theirs() {
      const families = (await register.metrics()).split(/^(?=# HELP )/m)
      const isThere = (family: string) => {
        const name = /^# HELP (\w+)/.exec(family)?.[1] as MetricFamily
        return !omit.includes(name) && (prober === 'kernel' || name !== 'porthole_target_syn_retransmits_total')
      }
      return families.filter(isThere).join('')
    },
  }
}

/** Calls `act` once in every turn of the event loop. Returns a function that stops it. */
function everyTurn(act: () => void): () => void {
  let next = setImmediate(turn)
  function turn(): void {
    act()
    next = setImmediate(turn)
  }
  return () => clearImmediate(next)
}

const names = ['pg', 'a "quoted" \\ name', 'ünï✓', 'mq', 'web-1']

const aService = fc.record({
  name: fc.constantFrom(...names),
  targets: fc.uniqueArray(fc.constantFrom('a:1', 'b:2', 'c:3', 'a-much-longer-name.internal:5432'), { minLength: 1 }),
  groups: fc.uniqueArray(fc.constantFrom('g1', 'g2', 'g3')),
  quorum: fc.constantFrom('all' as const, 'any' as const),
  interval: fc.constantFrom(1000, 'off' as const),
})
const aStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant('check' as const),
      service: fc.constantFrom(...names),
      index: fc.nat(3),
      reason: fc.constantFrom(...reasons),
      latencyMs: fc.double({ min: 1e-6, max: 60_000, noNaN: true }),
      synRetransmits: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('put' as const),
      services: fc.uniqueArray(aService, { selector: ({ name }) => name }),
      quorum: fc.constantFrom('all' as const, 'any' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant('drain' as const),
      service: fc.constantFrom(...names),
      drained: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('wait' as const), ms: fc.constantFrom(1, 900, 3000, 8000) }) },
)

test('after any sequence of events, every series and every value is the same as with prom-client', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(aStep, { maxLength: 40 }),
      fc.constantFrom('kernel' as const, 'portable' as const),
      async (steps, prober) => {
        const { clock, registry, check, page, theirs } = watchBoth(prober)
        for (const step of steps) {
          if (step.is === 'check') await check(step.service, step.index, step)
          if (step.is === 'wait') clock.advance(step.ms)
          if (step.is === 'drain') registry.setDrained([step.service], step.drained)
          if (step.is === 'put') {
            const services: Service[] = step.services.map(({ name, targets, groups, quorum, interval }) =>
              sampleService(name, targets, { groups, quorum, interval, rise: 1, fall: 2 }),
            )
            registry.replaceAll(services, [{ name: 'g1', quorum: step.quorum }])
          }
        }
        assert.deepEqual(familiesOf(await page()), familiesOf(await theirs()))
      },
    ),
    { numRuns: 300 },
  )
})

test('a page of thousands of services comes in chunks, and is right after services come and go', async () => {
  const { registry, check, page, theirs } = watchBoth()
  const some = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => sampleService(`service-${from + i}`, [`10.0.0.1:${from + i + 1}`]))
  for (const [from, to] of [
    [0, 3000],
    [500, 3500],
    [3400, 3401],
    [0, 1200],
  ] as const) {
    registry.replaceAll(some(from, to), [])
    for (const i of [from, to - 1])
      await check(`service-${i}`, 0, { reason: 'refused', latencyMs: 0.5, synRetransmits: 1 })
    assert.deepEqual(familiesOf(await page()), familiesOf(await theirs()))
  }
})

test('a page does not grow while services come and go', async () => {
  const { registry, page } = watchBoth()
  const generation = (tag: string) =>
    Array.from({ length: 700 }, (_, i) =>
      sampleService(`${tag}${String(i).padStart(4)}`.replaceAll(' ', '0'), ['db:1']),
    )
  registry.replaceAll(generation('a'), [])
  const before = (await page()).length
  for (const tag of ['b', 'c', 'd', 'e']) registry.replaceAll(generation(tag), [])
  assert.equal((await page()).length, before)
})

test('a scrape can select groups and services, and exclude some', async () => {
  const { registry, page } = watchBoth()
  registry.replaceAll(
    [
      sampleService('a', ['a:1'], { groups: ['x'] }),
      sampleService('b', ['b:1'], { groups: ['x', 'y'] }),
      sampleService('c', ['c:1']),
    ],
    [],
  )
  const told = async (query: SelectionQuery) => {
    const series = [...readPage(await page(query)).keys()]
    const of = (pattern: RegExp) => series.flatMap((one) => pattern.exec(one)?.[1] ?? [])
    return [
      of(/^porthole_service_up\{service="(.*?)"/),
      of(/^porthole_target_up\{service="(.*?)"/),
      of(/^porthole_group_up\{group="(.*?)"/),
    ]
  }
  assert.deepEqual(await told({ group: ['x'] }), [['a', 'b'], ['a', 'b'], ['x']])
  assert.deepEqual(await told({ service: ['c', 'b'] }), [
    ['b', 'c'],
    ['b', 'c'],
    ['x', 'y'],
  ])
  assert.deepEqual(await told({ exclude: ['a'] }), [
    ['b', 'c'],
    ['b', 'c'],
    ['x', 'y'],
  ])
  assert.deepEqual(await told({ group: ['x'], exclude: ['b'] }), [['a'], ['a'], ['x']])
  assert.deepEqual(await told({ service: ['nobody'] }), [[], [], []])
})

test('omitted families have no series, and the others do', async () => {
  const omit: MetricFamily[] = [
    'porthole_target_connect_seconds',
    'porthole_target_down_reason',
    'porthole_group_up',
    'porthole_service_targets',
  ]
  const { registry, check, page, theirs } = watchBoth('kernel', omit)
  registry.replaceAll([sampleService('a', ['a:1'], { groups: ['x'] })], [])
  await check('a', 0, { reason: 'refused', latencyMs: 1, synRetransmits: 0 })
  assert.deepEqual(familiesOf(await page()), familiesOf(await theirs()))
  for (const name of omit) assert.doesNotMatch(await page(), new RegExp(`${name}[ {]`))
})

test('a page that is read slowly while services come and go has no series twice, and none outside of the selection', async () => {
  const { registry, exposition } = watchBoth()
  const of = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => sampleService(`service-${from + i}`, ['db:1'], { groups: ['g'] }))
  const ofOthers = (names: string[]) => names.map((name) => sampleService(name, ['db:1']))
  registry.replaceAll([...of(1000, 4000), ...ofOthers(['others-1000'])], [])
  for (const query of [{}, { group: ['g'] }]) {
    let page = ''
    let turn = 0
    for await (const chunk of exposition.renderChunks({ targets: true, selection: createSelection(query) })) {
      page += chunk.toString()
      // Removed services make room for others with names of the same length.
      turn++
      const left = of(1000, 4000).filter(({ name }) => !name.endsWith(`${turn % 10}`))
      registry.replaceAll([...left, ...ofOthers([`service-${5000 + turn}`])], [])
    }
    readPage(page)
    if ('group' in query) assert.doesNotMatch(page, /service-5\d\d\d/)
  }
})

/** Events that may happen to a service that is down while a client reads the page of group g. */
const changesDuringScrape = {
  'joins the group': { before: [], after: [sampleService('late', ['late:1'], { groups: ['g'] })] },
  'leaves the group': { before: ['g'], after: [sampleService('late', ['late:1'])] },
  'is removed': { before: ['g'], after: [] },
  'is removed, and another takes its place': {
    before: ['g'],
    after: [sampleService('next', ['next:1'], { groups: ['g'] })],
  },
}
for (const [what, { before, after }] of Object.entries(changesDuringScrape)) {
  test(`a page of one group is complete when a service ${what} between two chunks`, { skip: noPromtool }, async () => {
    const always = sampleService('always', ['always:1'], { groups: ['g'] })
    const pages = new Set<string>()
    let chunkCount = 1
    for (let at = 0; at < chunkCount; at++) {
      const { registry, exposition, check } = watchBoth()
      registry.replaceAll([always, sampleService('late', ['late:1'], { groups: before })], [])
      for (const name of ['always', 'late'])
        await check(name, 0, { reason: 'refused', latencyMs: 1, synRetransmits: 0 })
      let page = ''
      chunkCount = 0
      for await (const chunk of exposition.renderChunks({
        targets: true,
        selection: createSelection({ group: ['g'] }),
      })) {
        page += chunk.toString()
        if (chunkCount === at) {
          if (what.startsWith('is removed')) registry.replaceAll([always], [])
          registry.replaceAll([always, ...after], [])
        }
        chunkCount++
      }
      pages.add(page)
      for (const series of readPage(page).keys()) assert.match(series, /\{(group="g"|service="(always|late|next)"[,}])/)
      // A service that had a series in the first family has one in all, until it is removed. A service that had none gets none later.
      for (const kind of ['service', 'target']) {
        const families = familiesOf(page).filter(([help = '']) => help.startsWith(`# HELP porthole_${kind}_`))
        const toldIn = families.map((lines) => lines.some((line) => line.includes('{service="late"')))
        const full = toldIn.filter(
          (_, index) => !/connect_seconds |draining|expired|lookup_/.test(families[index]?.[0] ?? ''),
        )
        const changes = full.filter((isTold, index) => index > 0 && isTold !== full[index - 1]).length
        assert.ok(
          changes === 0 || (what.startsWith('is removed') && changes === 1 && full[0] === true),
          `${what}: ${full}`,
        )
      }
    }
    assert.ok(chunkCount > 10)
    for (const page of pages) assertAccepted(page)
  })
}

test('a page that selects services yields to the event loop, however many rows it looks at', async () => {
  const { registry, exposition } = watchBoth()
  const size = 8 * rowsPerChunk + 1000
  registry.replaceAll(
    Array.from({ length: size }, (_, i) => sampleService(`service-${i}`, ['db:1'], { groups: ['g'] })),
    [],
  )
  const slice = countingSlices(2).begin()
  let [looked, inTurn, most] = [0, 0, 0]
  const selection = {
    has() {
      looked++
      most = Math.max(most, ++inTurn)
      return false
    },
    hasGroup: () => true,
  }
  const stop = everyTurn(() => {
    inTurn = 0
  })
  for await (const chunk of exposition.renderChunks({ targets: true, selection, slice }))
    assert.match(chunk.toString(), /^# HELP/)
  stop()
  assert.equal(looked, 3 * size, 'services, their groups, and targets: once each')
  // One pass over the rows may begin in the turn in which another ended.
  assert.ok(most <= 3 * rowsPerChunk, `${most} in one turn`)
})

test('targets that go stale shortly after one another are all counted as not up, even if no outcome comes in', async () => {
  const targets = ['a:1', 'b:1', 'c:1', 'd:1']
  const { clock, registry, check, page } = watchBoth()
  registry.replaceAll([sampleService('pg', targets, { interval: 1000, timeout: 500, quorum: 'any' })], [])
  for (const index of targets.keys()) {
    if (index === 3) clock.advance(300)
    await check('pg', index, { reason: 'connected', latencyMs: 0.1, synRetransmits: 0 })
  }
  const read = async () => {
    const text = await page()
    return ['service_up', 'service_targets_up'].flatMap((name) => Object.values(familyOf(text, `porthole_${name}`)))
  }
  assert.deepEqual(await read(), [1, 4])
  // Three targets are stale after three intervals and a timeout, the fourth 0.3 s later.
  clock.advance(3300)
  assert.deepEqual(await read(), [1, 1])
  clock.advance(500)
  assert.deepEqual(await read(), [0, 0])
})

test('thousands of stale targets are updated over several turns, while some of them leave and others take their slots', async () => {
  const { clock, registry, monitor, exposition, check, page, theirs } = watchBoth()
  const some = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => sampleService(`service-${from + i}`, ['a:1'], { groups: ['g'] }))
  registry.replaceAll(some(0, 4500), [])
  for (const name of monitor.services.keys())
    await check(name, 0, { reason: 'connected', latencyMs: 1, synRetransmits: 0 })
  assert.match(await page(), /^porthole_target_up\{service="service-4499",target="a:1"\} 1$/m)
  clock.advance(3_600_000)
  let turns = 0
  const stop = everyTurn(() => {
    turns++
    // Removes services that the scrape has looked at already, and services that it has not.
    if (turns === 1) registry.replaceAll(some(500, 3500), [])
    if (turns === 2) registry.replaceAll(some(500, 4000), [])
  })
  const chunks = exposition.renderChunks({ targets: true, selection: null })
  const { value: first } = await chunks.next()
  stop()
  assert.ok(turns > 2, `${turns} turns until the first chunk`)
  let told = `${first}`
  for await (const chunk of chunks) told += chunk.toString()
  assert.deepEqual(familiesOf(told), familiesOf(await theirs()))
  assert.match(told, /^porthole_target_up\{service="service-3499",target="a:1"\} 0$/m)
})

test('after a step of the wall clock, the times of all checks follow the new time', async () => {
  const clock = fakeClock()
  const registry = createRegistry()
  const prober = fakeProber(clock)
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 100 })
  const exposition = createExposition({ monitor, registry, clock, prober: 'kernel' })
  registry.replaceAll([sampleService('pg', ['a:1'], { interval: 'off' })], [])
  const [target] = monitor.services.get('pg')?.targets ?? []
  assert(target)
  const checked = monitor.check(target)
  await prober.pending('a:1').answer('connected')
  await checked
  const timeTold = async () => {
    return familyOf(await chunkOf(exposition), 'porthole_target_last_check_timestamp_seconds')[
      '{service="pg",target="a:1"}'
    ]
  }
  const before = await timeTold()
  clock.stepWall(3_600_000)
  assert.ok(Math.abs(Number(await timeTold()) - Number(before) - 3600) < 1)
})

test('a resolved address has series once it is a target, and not during its first check', async () => {
  const clock = fakeClock()
  const registry = createRegistry()
  const prober = fakeProber(clock)
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 100 })
  const exposition = createExposition({ monitor, registry, clock, prober: 'kernel' })
  registry.replaceAll([sampleService('pg', ['db:1'], { resolve: 'all' })], [])
  const service = monitor.services.get('pg')
  assert(service)
  const told = async () => {
    return Object.keys(familyOf(await chunkOf(exposition), 'porthole_target_checks_total'))
  }
  const seriesOf = (target: string) => `{service="pg",target="${target}"}`
  const joined = monitor.applyAddresses(service, new Map([['db:1', ['10.0.0.1', '10.0.0.2']]]))
  await prober.pending('10.0.0.1:1').answer('connected')
  assert.deepEqual(await told(), [seriesOf('db:1')])
  await prober.pending('10.0.0.2:1').answer('connected')
  await joined
  assert.deepEqual(await told(), [seriesOf('10.0.0.1:1'), seriesOf('10.0.0.2:1')])
})
