import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../../src/domain/check/outcome.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import { reportUptime } from '../../../src/http/services/transition-reports.ts'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import { createRetryingStore } from '../../../src/store/retrying-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const pg = sampleService('pg', ['pg:5432'])

/** A data directory that several processes of Porthole use one after the other. */
function createDirectory(maxAgeMs = 30 * 24 * hour) {
  const retention = { maxCount: 10_000, maxAgeMs }
  const store = createMemoryStore(retention, () => 0)
  let aliveAt: number | null = null
  const lasting: Store = {
    ...store,
    async load() {
      const kept = await store.load()
      return kept.ok ? { ok: true, value: { ...kept.value, aliveAt } } : kept
    },
    heartbeat(now) {
      aliveAt = now
      return store.heartbeat(now)
    },
  }

  /** Starts a process that checks these services, `afterMs` after the test began. */
  function start(afterMs: number, services: readonly Service[] = [pg], { isFree = true, clockIsWrongBy = 0 } = {}) {
    const { clock, monitor, registry, target, service, checkOnce } = watch(services)
    clock.advance(afterMs)
    clock.stepWall(clockIsWrongBy)
    const log = createTransitionLog({ monitor, clock, ...retention })
    const ignore = () => undefined
    const open = async () =>
      isFree ? ({ ok: true, value: lasting } as const) : ({ ok: false, failure: 'taken' } as const)
    const retryingStore = createRetryingStore({ name: 'sqlite', open, log, clock, onLoad: ignore, onFailure: ignore })
    return {
      clock,
      registry,
      log,
      retryingStore,
      /** Checks every 10 seconds for `forMs`, with this outcome. */
      async live(forMs: number, reason: Outcome['reason']) {
        for (let ms = 0; ms < forMs; ms += 10 * second) {
          await checkOnce(target('pg', 'pg:5432'), reason)
          clock.advance(10 * second)
          await retryingStore.turn()
        }
      },
      takeOver() {
        isFree = true
        return retryingStore.turn()
      },
      /** Returns the milliseconds of the last 24 hours with each status: up, down, unknown. */
      uptime() {
        const [day] = reportUptime(service('pg'), log, clock).windows
        return [day?.upMs, day?.downMs, day?.unknownMs]
      },
      /** Returns the start and the end of each gap, in milliseconds after the test began. */
      gaps: () => log.gaps().map(({ from, to }) => [from - 5000, to - 5000]),
      told: () =>
        log
          .find({ service: 'pg' })
          .filter(({ target }) => target === null)
          .map(({ from, to }) => `${from} → ${to}`)
          .reverse(),
    }
  }
  return { start }
}

type Log = ReturnType<ReturnType<typeof createDirectory>['start']>['log']

function assertInOrder(log: Log): void {
  const found = log.find({}).reverse()
  for (const [index, { id, at }] of found.entries()) {
    const before = found[index - 1]
    assert.ok(before === undefined || (before.id < id && before.at <= at), `${index} follows the one before`)
  }
}

const ofDay = (upMs: number, downMs = 0) => [upMs, downMs, 24 * hour - upMs - downMs]

test('a service that is up for 10 minutes before a stop and 5 minutes after it has an uptime of 15 minutes', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(10 * minute, 'connected')
  const next = start(15 * minute)
  await next.retryingStore.turn()
  assert.deepEqual(next.uptime(), ofDay(10 * minute))
  const news: unknown[] = []
  next.log.logged.subscribe((entry) => news.push(entry))
  await next.live(5 * minute, 'connected')
  assert.deepEqual(next.uptime(), ofDay(15 * minute))
  assert.deepEqual(next.told(), ['unknown → up'])
  assert.deepEqual(news, [])
  assert.deepEqual(next.gaps(), [[10 * minute, 15 * minute]])
  assertInOrder(next.log)
})

test('the time in which Porthole was stopped is not downtime, even if the service is down before and after it', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(10 * minute, 'refused')
  const next = start(15 * minute)
  await next.retryingStore.turn()
  await next.live(5 * minute, 'refused')
  assert.deepEqual(next.uptime(), ofDay(0, 15 * minute))
})

test('the time in which a service was not registered is unknown, even after a restart', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(100 * second, 'connected')
  first.registry.replaceAll([], [])
  first.clock.advance(50 * second)
  first.registry.replaceAll([pg], [])
  await first.live(100 * second, 'connected')
  assert.deepEqual(first.uptime(), ofDay(200 * second))
  const next = start(300 * second)
  await next.retryingStore.turn()
  await next.live(100 * second, 'connected')
  assert.deepEqual(next.uptime(), ofDay(300 * second))
})

test('a service that was removed from the file while Porthole was stopped becomes unknown', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  for (const afterMs of [2 * minute, 3 * minute]) {
    const next = start(afterMs, [])
    const news: string[] = []
    next.log.logged.subscribe(({ message }) => news.push(message))
    await next.retryingStore.turn()
    assert.deepEqual(next.told(), ['unknown → up', 'up → unknown'])
    assert.deepEqual(news, afterMs === 2 * minute ? ['deregistered while Porthole was not running'] : [])
    assertInOrder(next.log)
  }
})

test('a service that is up for longer than transitions are kept counts as up since the newest forgotten one', async () => {
  const { start } = createDirectory(hour)
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(2 * hour, 'connected')
  const next = start(2 * hour + 5 * minute)
  await next.retryingStore.turn()
  await next.live(2 * hour, 'connected')
  const last = start(4 * hour + 10 * minute)
  await last.retryingStore.turn()
  await last.live(10 * second, 'connected')
  // The log is complete since the end of the first gap, which is forgotten.
  assert.deepEqual(last.told(), [])
  assert.deepEqual(last.uptime(), ofDay(2 * hour + 10 * second))
  assertInOrder(last.log)
})

test('a process that waited for the previous one has a log without gaps, and so has the next process', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(300 * second, 'connected')
  const next = start(300 * second, [pg], { isFree: false })
  await next.live(300 * second, 'connected')
  await first.live(300 * second, 'connected')
  await first.retryingStore.close()
  const lastIdOfFirst = first.log.lastId()
  // The store has been free for 10 seconds when this process takes it over.
  await next.live(10 * second, 'connected')
  await next.takeOver()
  assert.deepEqual(next.uptime(), ofDay(610 * second))
  assert.deepEqual(
    next.log.after(lastIdOfFirst)?.map(({ target, from, to }) => `${target}: ${from} → ${to}`),
    [],
  )
  assertInOrder(next.log)
  await next.live(590 * second, 'connected')
  assert.deepEqual(next.uptime(), ofDay(1200 * second))

  const last = start(1300 * second)
  await last.retryingStore.turn()
  await last.live(100 * second, 'connected')
  assert.deepEqual(last.uptime(), ofDay(1300 * second))
  assertInOrder(last.log)
})

test('transitions are written after the stored ones, once a store that could not be opened can be', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  const next = start(2 * minute, [pg], { isFree: false })
  await next.live(minute, 'connected')
  await next.live(minute, 'refused')
  const ids = next.log.find({}).map(({ id }) => id)
  await next.takeOver()
  assert.deepEqual(next.told(), ['unknown → up', 'up → down'])
  // The same ids mean that clients which received these transitions do not receive them again.
  assert.deepEqual(
    next.log
      .find({})
      .slice(0, 2)
      .map(({ id }) => id),
    ids.slice(0, 2),
  )
  assert.deepEqual(next.uptime(), ofDay(140 * second, 40 * second))
  assertInOrder(next.log)
  const last = start(5 * minute)
  await last.retryingStore.turn()
  assert.deepEqual(last.told(), next.told())
  assert.deepEqual(last.uptime(), ofDay(140 * second, 40 * second))
})

test('if the wall clock was set back between two runs, the new transitions still follow the old ones', async () => {
  const { start } = createDirectory()
  const first = start(0, [pg], { clockIsWrongBy: hour })
  await first.retryingStore.turn()
  await first.live(10 * minute, 'connected')
  const lastIdOfFirst = first.log.lastId()
  const next = start(11 * minute)
  const startedAt = next.clock.now()
  await next.retryingStore.turn()
  await next.live(minute, 'connected')
  assert.deepEqual(next.told(), ['unknown → up'])
  assertInOrder(next.log)
  assert.deepEqual(next.gaps(), [])
  assert.deepEqual(next.log.after(lastIdOfFirst), [])
  // The time at which the first process ran is not known, so it does not count.
  assert.deepEqual(next.uptime(), ofDay(minute))
  assert.ok(next.log.completeSince() <= startedAt)
})

test('a client that received a transition which a killed process did not store learns that transitions are lost', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  await first.live(10 * second, 'connected')
  first.clock.advance(4 * second)
  first.registry.replaceAll([pg, sampleService('mq', ['mq:5672'])], [])
  first.registry.replaceAll([pg], [])
  const lastTold = first.log.find({})[0]
  assert.equal(lastTold?.service, 'mq')
  const next = start(2 * minute)
  await next.retryingStore.turn()
  assert.equal(next.log.after(lastTold?.id ?? 0), null)
})

test('a service that went down while Porthole was stopped has one transition, and so has its target', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  const next = start(2 * minute)
  await next.retryingStore.turn()
  const lastIdOfFirst = next.log.lastId()
  await next.live(minute, 'refused')
  assert.deepEqual(
    next.log.after(lastIdOfFirst)?.map(({ target, from, to }) => `${target}: ${from} → ${to}`),
    ['pg:5432: up → down', 'null: up → down'],
  )
  // The first check after the start finds it.
  assert.deepEqual(next.uptime(), ofDay(minute, minute))
})

test('restarts add no transitions, and a client that has read all of them misses none', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  const lastTold = first.log.lastId()
  await first.retryingStore.close()
  for (let restarts = 1; restarts <= 5; restarts++) {
    const next = start(2 * restarts * minute)
    await next.retryingStore.turn()
    await next.live(minute, 'connected')
    assert.equal(next.log.lastId(), lastTold)
    assert.deepEqual(next.log.after(lastTold), [])
    assert.deepEqual(next.told(), ['unknown → up'])
    assert.equal(next.gaps().length, restarts)
    assert.deepEqual(next.uptime(), ofDay((restarts + 1) * minute))
    await next.retryingStore.close()
  }
})

test('a service that is deregistered before its first check after a restart loses its last known status', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  const next = start(2 * minute)
  await next.retryingStore.turn()
  next.registry.replaceAll([], [])
  assert.deepEqual(next.told(), ['unknown → up', 'up → unknown'])
  next.registry.replaceAll([pg], [])
  await next.live(minute, 'connected')
  assert.deepEqual(next.told(), ['unknown → up', 'up → unknown', 'unknown → up'])
  assert.deepEqual(next.uptime(), ofDay(2 * minute))
})

test('an unchecked service whose last transition is forgotten counts as up until Porthole stopped', async () => {
  const { start } = createDirectory(hour)
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(2 * hour, 'connected')
  const next = start(2 * hour + 5 * minute)
  await next.retryingStore.turn()
  assert.deepEqual(next.told(), [])
  assert.equal(next.log.lastKnown('pg'), 'up')
  assert.ok((next.uptime()[0] ?? 0) > 0)
})

test('a process that waited for the previous one dates changed statuses to the end of the previous process', async () => {
  const { start } = createDirectory()
  const first = start(0)
  await first.retryingStore.turn()
  await first.live(minute, 'connected')
  const next = start(30 * second, [pg], { isFree: false })
  await next.live(40 * second, 'refused')
  await first.retryingStore.close()
  await next.takeOver()
  assert.deepEqual(next.told(), ['unknown → up', 'up → down'])
  assert.deepEqual(next.gaps(), [])
  assert.deepEqual(next.uptime(), ofDay(minute, 10 * second))
  assertInOrder(next.log)
})
