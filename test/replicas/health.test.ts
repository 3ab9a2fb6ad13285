/** How the outcomes of one replica become shared health, with lost answers and with concurrent outcomes of several replicas. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { neverChecked } from '../../src/domain/health/health.ts'
import type { Transition } from '../../src/domain/health/transition.ts'
import { createEmitter } from '../../src/monitor/emitter.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import type { TargetSnapshot } from '../../src/monitor/state/state.ts'
import { createShardOwnership } from '../../src/replicas/lease/shard-ownership.ts'
import { writeService, writeTarget } from '../../src/replicas/replication/health-codec.ts'
import { createHealthReplication } from '../../src/replicas/replication/health-replication.ts'
import type { Published, PublishResult, Update } from '../../src/replicas/replication/publish-protocol.ts'
import type { StoredHealth } from '../../src/replicas/replication/resync.ts'
import { fakeClock, fakeProber } from '../monitor/fakes.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'

type StoreSnapshot = Record<string, { version: number; snapshot: unknown }>

/** A replica that is linked, holds every lease, and has read the stored health of its one service. The test is its store. */
async function start(t: TestContext, kept: StoreSnapshot = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const clock = fakeClock()
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll([sampleService('pg', ['pg:1', 'pg:2'], { interval: 1000, timeout: 500, rise: 2, fall: 2 })], [])
  const shardOwnership = createShardOwnership(clock)
  const held = new Set(['all'])
  shardOwnership.useLeases({ holds: () => held.size > 0 })
  const monitor = createMonitor({ registry, prober, clock, maxInFlight: 10, ownership: shardOwnership })
  const alone = createEmitter<Transition>()
  const published: { updates: readonly Update[]; answer: (published: Published | null) => void }[] = []
  const fenced: number[] = []
  const reads: { answer: (kept: StoredHealth[] | null) => void }[] = []
  const healthReplication = createHealthReplication({
    monitor,
    clock,
    shardOwnership,
    alone,
    fencingTokenOf: () => (held.size > 0 ? 7 : null),
    publish: (updates) => new Promise((answer) => published.push({ updates, answer })),
    read: () => new Promise((answer) => reads.push({ answer })),
    onForeign: () => {},
    onFenced: () => fenced.push(clock.now()),
  })
  t.after(healthReplication.close)
  const told: string[] = []
  healthReplication.recorded.subscribe(({ target, service, to }) => told.push(`${target ?? service} ${to}`))
  const service = monitor.services.get('pg') ?? assert.fail()
  const [one, two] = service.targets
  assert(one && two)

  async function read(next: StoreSnapshot | null): Promise<void> {
    const { answer } = reads.shift() ?? assert.fail('nothing is read')
    answer(next === null ? null : [new Map(Object.entries(next))])
    await setImmediate()
  }
  const all = healthReplication.readAll()
  await setImmediate()
  await read(kept)
  assert.equal(await all, true)
  shardOwnership.enter('linked')
  healthReplication.gain(Array.from({ length: 256 }, (_, shard) => shard))

  return {
    clock,
    monitor,
    healthReplication,
    shardOwnership,
    alone,
    held,
    told,
    fenced,
    service,
    one,
    two,
    read,
    reads,
    published,
    /** A scheduled check, from beginning to end. */
    async find(reason: 'connected' | 'refused', state = one) {
      clock.advance(1000)
      monitor.checkOnSchedule(state, clock.now())
      await prober.pending(state.target.name).answer(reason)
    },
    /** A check on demand. */
    async ask(reason: 'connected' | 'refused', state = one) {
      const asked = monitor.check(state)
      await prober.pending(state.target.name).answer(reason)
      await asked
    },
    /** Returns the next publication that the store has not answered yet. */
    async flush() {
      t.mock.timers.tick(200)
      await setImmediate()
      return published.shift() ?? assert.fail('nothing was published')
    },
    nothingPublished: async () => {
      t.mock.timers.tick(200)
      await setImmediate()
      assert.equal(published.length, 0, JSON.stringify(published[0]?.updates))
    },
    async answer(answer: (published: Published | null) => void, version: number, verdict: PublishResult = 'accepted') {
      answer({ version, results: [verdict] })
      await setImmediate()
    },
  }
}

type Started = Awaited<ReturnType<typeof start>>

/** Returns the health that another replica has stored for a target. */
function memoryOf({ clock }: Started, verdict: 'up' | 'down', more: Partial<TargetSnapshot> = {}): unknown {
  const now = clock.now()
  const lastOutcome = sampleOutcome(verdict === 'up' ? 'connected' : 'refused', now)
  const downReason = verdict === 'down' ? ('refused' as const) : null
  const health = { ...neverChecked, status: verdict, since: now, streak: { verdict, count: 9 }, confirmedAt: now }
  const snapshot: TargetSnapshot = {
    health: { ...health, downReason, lastOutcome },
    emittedStatus: verdict,
    checks: 9,
    failures: 0,
    connectMs: 0,
    synRetransmits: 0,
    lossAt: null,
    lookupTotalMs: 0,
    slowLookupAt: null,
    ...more,
  }
  return JSON.parse(writeTarget(snapshot, clock))
}

function serviceSnapshot({ clock }: Started, emittedStatus: 'up' | 'down'): unknown {
  return JSON.parse(writeService({ emittedStatus, emittedAt: clock.now(), addresses: new Map() }, clock))
}

const recordsOf = ([update]: readonly Update[]) => update?.records.map(({ field, base }) => [field, base])
const toldOf = ([update]: readonly Update[]) => update?.transitions.map(({ target, to }) => `${target} ${to}`)

test('an outcome is published with the token of the lease, and counts once the store accepts it', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  const { updates, answer } = await replica.flush()
  assert.deepEqual([updates[0]?.service, updates[0]?.fencingToken], ['pg', 7])
  assert.deepEqual(toldOf(updates), ['pg:1 up'])
  assert.deepEqual(replica.told, [])
  await replica.answer(answer, 100)
  assert.deepEqual(replica.told, ['pg:1 up'])
  await replica.nothingPublished()
  await replica.find('connected')
  const next = await replica.flush()
  assert.deepEqual(recordsOf(next.updates), [['pg:1', 100]])
})

test('outcomes are published in batches, and changes of a status at once', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.find('connected', replica.two)
  await replica.answer((await replica.flush()).answer, 100)
  await replica.find('connected')
  await replica.find('connected', replica.two)
  t.mock.timers.tick(99)
  await setImmediate()
  assert.equal(replica.published.length, 0)
  t.mock.timers.tick(1)
  await setImmediate()
  assert.equal(replica.published.length, 1)
  await replica.answer((replica.published.shift() ?? assert.fail()).answer, 101)
  await replica.find('refused')
  await replica.answer((await replica.flush()).answer, 102)
  await replica.find('refused')
  t.mock.timers.tick(0)
  await setImmediate()
  assert.deepEqual(toldOf(replica.published[0]?.updates ?? []), ['pg:1 down', 'null down'])
})

test('an update without an answer is published again, and its transition is reported once', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  const first = await replica.flush()
  first.answer(null)
  await setImmediate()
  const again = await replica.flush()
  assert.deepEqual(recordsOf(again.updates), recordsOf(first.updates))
  assert.deepEqual(toldOf(again.updates), ['pg:1 up'])
  await replica.answer(again.answer, 100)
  assert.deepEqual(replica.told, ['pg:1 up'])
})

test('an update that the store accepted without an answer is not reported twice', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  const first = await replica.flush()
  const written = (first.updates[0]?.records ?? []).map(({ field, snapshot }) => [field, JSON.parse(snapshot)] as const)
  first.answer(null)
  await setImmediate()
  // The second update continues from an old version.
  await replica.answer((await replica.flush()).answer, 101, 'conflict')
  await replica.read(Object.fromEntries(written.map(([field, snapshot]) => [field, { version: 100, snapshot }])))
  assert.equal(replica.one.health.status, 'up')
  await replica.nothingPublished()
  await replica.find('connected')
  const next = await replica.flush()
  assert.deepEqual([recordsOf(next.updates), toldOf(next.updates)], [[['pg:1', 100]], []])
})

test('a rejected update is replaced by the shared health, and its transitions are not reported', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  await replica.find('refused')
  await replica.find('refused')
  const { updates, answer } = await replica.flush()
  assert.deepEqual(toldOf(updates), ['pg:1 down', 'null down'])
  await replica.answer(answer, 101, 'fenced')
  // The replica renews its leases at once, and does not check the service until it has read the shared health.
  assert.equal(replica.fenced.length, 1)
  assert.equal(replica.shardOwnership.owns('pg'), false)
  await replica.read({
    '': { version: 150, snapshot: serviceSnapshot(replica, 'up') },
    'pg:1': { version: 150, snapshot: memoryOf(replica, 'up') },
    'pg:2': { version: 150, snapshot: memoryOf(replica, 'up') },
  })
  assert.deepEqual(
    [replica.one.health.status, replica.one.emittedStatus, replica.service.emittedStatus],
    ['up', 'up', 'up'],
  )
  assert.deepEqual(replica.told, ['pg:1 up'])
  assert.deepEqual(replica.healthReplication.refused(), { conflict: 0, fenced: 1 })
})

test('a failed read is repeated, because no replica checks the service until then', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100, 'conflict')
  await replica.read(null)
  assert.equal(replica.shardOwnership.owns('pg'), false)
  t.mock.timers.tick(500)
  await setImmediate()
  await replica.read({})
  assert.equal(replica.shardOwnership.owns('pg'), true)
})

test('an outcome of another replica is adopted, and the transition is emitted here', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  const snapshot = memoryOf(replica, 'down', { emittedStatus: 'up' })
  replica.healthReplication.applyEntry(101, [['pg', [['pg:1', snapshot]]]])
  assert.equal(replica.one.health.status, 'down')
  assert.equal(replica.one.checks, 9)
  const { updates } = await replica.flush()
  assert.deepEqual(toldOf(updates), ['pg:1 down', 'null down'])
  assert.deepEqual(recordsOf(updates), [
    ['', 100],
    ['pg:1', 101],
  ])
})

test('of the outcomes that two replicas found at the same time only the first counts', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  await replica.find('refused')
  const snapshot = memoryOf(replica, 'up')
  replica.healthReplication.applyEntry(101, [['pg', [['pg:1', snapshot]]]])
  await setImmediate()
  await replica.read({ 'pg:1': { version: 101, snapshot } })
  assert.deepEqual(replica.one.health.streak, { verdict: 'up', count: 9 })
})

test('an older entry changes nothing', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  replica.healthReplication.applyEntry(99, [['pg', [['pg:1', memoryOf(replica, 'down')]]]])
  assert.equal(replica.one.health.status, 'up')
  await replica.nothingPublished()
})

test('a service that the replica does not own is not published, except for checks on demand', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  await replica.find('connected')
  replica.held.clear()
  await replica.nothingPublished()
  await replica.ask('refused', replica.two)
  const { updates } = await replica.flush()
  assert.equal(updates[0]?.fencingToken, null)
  assert.deepEqual([recordsOf(updates), toldOf(updates)], [[['pg:2', 0]], []])
})

test('a solo replica reports its transitions itself, and publishes them once it is linked again', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  const heard: string[] = []
  replica.alone.subscribe(({ target, to }) => heard.push(`${target} ${to}`))
  replica.shardOwnership.enter('solo')
  replica.healthReplication.goSolo()
  await replica.find('refused')
  await replica.find('refused')
  assert.deepEqual(heard, ['pg:1 down', 'null down'])
  await replica.nothingPublished()

  const reading = replica.healthReplication.readAll()
  await setImmediate()
  await replica.read({
    '': { version: 100, snapshot: serviceSnapshot(replica, 'up') },
    'pg:1': { version: 100, snapshot: memoryOf({ ...replica, clock: earlier(replica) } as Started, 'up') },
  })
  await reading
  replica.shardOwnership.enter('linked')
  replica.healthReplication.gain(Array.from({ length: 256 }, (_, shard) => shard))
  const { updates } = await replica.flush()
  assert.deepEqual(toldOf(updates), ['pg:1 down', 'null down'])
  assert.deepEqual(recordsOf(updates), [
    ['', 100],
    ['pg:1', 100],
  ])
})

test('newer outcomes of the others replace those of a solo replica, and its transitions are not published', async (t) => {
  const replica = await start(t)
  await replica.find('connected')
  await replica.answer((await replica.flush()).answer, 100)
  replica.shardOwnership.enter('solo')
  await replica.find('refused')
  await replica.find('refused')
  assert.equal(replica.service.emittedStatus, 'down')
  const reading = replica.healthReplication.readAll()
  await setImmediate()
  replica.clock.advance(1000)
  // The others continued to check the target. The service itself had no transition.
  await replica.read({
    '': { version: 100, snapshot: serviceSnapshot(replica, 'up') },
    'pg:1': { version: 150, snapshot: memoryOf(replica, 'up') },
    'pg:2': { version: 150, snapshot: memoryOf(replica, 'up') },
  })
  await reading
  replica.shardOwnership.enter('linked')
  replica.healthReplication.gain(Array.from({ length: 256 }, (_, shard) => shard))
  assert.deepEqual(
    [replica.one.health.status, replica.one.emittedStatus, replica.service.emittedStatus],
    ['up', 'up', 'up'],
  )
  await replica.nothingPublished()
})

/** Returns the clock as it was five seconds ago. */
function earlier({ clock }: Started): Started['clock'] {
  const now = clock.now() - 5000
  return { ...clock, now: () => now }
}
