/** Checks the log of transitions with replicas, which number transitions alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoggedTransition, Transition } from '../../src/domain/health/transition.ts'
import { createEmitter } from '../../src/monitor/emitter.ts'
import { createTransitionLog } from '../../src/monitor/transitions/transition-log.ts'
import { sampleService } from '../support/samples.ts'
import { watch } from './fakes.ts'

function start(maxCount = 1000) {
  const { monitor, clock } = watch([sampleService('pg', ['pg:5432'])])
  const source = createEmitter<Transition>()
  const log = createTransitionLog({ monitor, clock, maxCount, source })
  const news: number[] = []
  log.logged.subscribe(({ id }) => news.push(id))
  const idAt = (instant: number) => Math.floor(clock.toEpoch(instant)) * 1000
  const logged = (id: number, at: number): LoggedTransition => ({
    id,
    at,
    service: 'pg',
    target: null,
    from: 'up',
    to: 'down',
    reason: 'timeout',
    message: 'no answer',
  })
  const idsOf = () =>
    log
      .find({})
      .map(({ id }) => id)
      .reverse()
  return { clock, source, log, news, idAt, logged, idsOf }
}

test('transitions that other replicas numbered are added in order, each once', () => {
  const { clock, log, news, idAt, logged, idsOf } = start()
  clock.advance(1000)
  const now = clock.now()
  const id = idAt(now)
  log.add([logged(id, now), logged(id + 5, now)])
  log.add([logged(id + 5, now), logged(id + 9, now)])
  log.add([logged(id + 7, now)])
  assert.deepEqual(idsOf(), [id, id + 5, id + 9])
  assert.deepEqual(news, [id, id + 5, id + 9])
  assert.equal(log.lastId(), id + 9)
  assert.deepEqual(
    log.after(id)?.map((one) => one.id),
    [id + 5, id + 9],
  )
})

test('the shared log replaces entries from a time alone, and its new transitions are emitted', () => {
  const { clock, source, log, news, idAt, logged, idsOf } = start()
  clock.advance(1000)
  source.emit(logged(0, clock.now()))
  assert.equal(news.length, 1)
  clock.advance(1000)
  const now = clock.now()
  const id = idAt(now - 1500)
  const completeAfter = { id: id - 10, at: now - 1900 }
  const gaps = [{ from: now - 1900, to: now - 1800 }]
  log.replace({ transitions: [logged(id, now - 1500), logged(id + 1, now - 1500)], gaps, completeAfter }, id)
  assert.deepEqual(idsOf(), [id, id + 1])
  assert.deepEqual(news.slice(1), [id + 1])
  assert.equal(log.completeSince(), now - 1900)
  assert.deepEqual(log.gaps(), gaps)
  assert.deepEqual(
    log.after(id)?.map((one) => one.id),
    [id + 1],
  )
  assert.equal(log.after(id - 11), null)
  log.add([logged(id + 2, now)])
  assert.deepEqual(idsOf(), [id, id + 1, id + 2])
})

test('a query finds transitions that were published late among later ones', () => {
  const { clock, log, idAt, logged } = start()
  clock.advance(60_000)
  const now = clock.now()
  // The second transition is from a replica that was alone for half a minute and published it afterwards.
  log.add([
    logged(idAt(now - 40_000), now - 40_000),
    logged(idAt(now - 1000), now - 30_000),
    logged(idAt(now - 900), now - 900),
  ])
  const found = (from: number, to: number) => log.find({ from: now + from, to: now + to }).map(({ at }) => at - now)
  assert.deepEqual(found(-35_000, -20_000), [-30_000])
  assert.deepEqual(found(-20_000, 0), [-900])
  assert.deepEqual(found(-50_000, 0), [-900, -30_000, -40_000])
})

test('the oldest entries of the shared log are forgotten like its own', () => {
  const { clock, log, idAt, logged, idsOf } = start(100)
  clock.advance(1000)
  const now = clock.now()
  const all = Array.from({ length: 150 }, (_, i) => logged(idAt(now) + i, now))
  log.replace({ transitions: all, gaps: [], completeAfter: { id: 1, at: now - 900 } }, Number.POSITIVE_INFINITY)
  assert.deepEqual(
    idsOf(),
    all.slice(50).map(({ id }) => id),
  )
  log.add(Array.from({ length: 10 }, (_, i) => logged(idAt(now) + 150 + i, now)))
  assert.ok(idsOf().length <= 110)
  assert.equal(log.after(all[20]?.id ?? 0), null)
})
