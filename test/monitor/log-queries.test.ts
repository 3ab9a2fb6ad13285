/** Compares the queries of a log with a full scan, after any series of changes to the log. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import type { LoggedTransition, Transition } from '../../src/domain/health/transition.ts'
import { createEmitter } from '../../src/monitor/emitter.ts'
import { createTransitionLog, type TransitionQuery } from '../../src/monitor/transitions/transition-log.ts'
import { countingSlices } from '../support/slices.ts'
import { watch } from './fakes.ts'

const services = ['pg', 'mq', 'web'] as const
const anyService = fc.constantFrom(...services)

function logged(service: string, id: number, at: number): LoggedTransition {
  return { id, service, target: null, from: 'up', to: 'down', at, reason: null, message: '' }
}

const infinity = Number.POSITIVE_INFINITY

/** Finds transitions by a scan of all entries from the end. The scan stops where all other entries are older. */
function scan(
  kept: readonly LoggedTransition[],
  { service, from = -infinity, to = infinity, before = infinity, limit = infinity }: TransitionQuery,
  timeOf: (id: number) => number,
): LoggedTransition[] {
  const found: LoggedTransition[] = []
  for (const entry of kept.toReversed()) {
    if (found.length >= limit) break
    if (Math.max(entry.at, timeOf(entry.id) + 1) < from) break
    const isWanted = entry.at >= from && entry.at < to && entry.id < before
    if (isWanted && (service === undefined || entry.service === service)) found.push(entry)
  }
  return found
}

/** How long before the time of its id a transition happened. A replica that was alone publishes its transitions late. */
const anyLateness = fc.oneof(fc.constant(0), fc.nat(300))
const anyTold = fc.array(fc.tuple(anyService, anyLateness), { maxLength: 25 })

const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ pass: fc.nat(300) }) },
  { weight: 8, arbitrary: fc.record({ happen: anyService }) },
  { weight: 4, arbitrary: fc.record({ add: anyTold }) },
  { weight: 1, arbitrary: fc.record({ replace: anyTold }) },
  { weight: 1, arbitrary: fc.record({ restore: anyTold }) },
  { weight: 1, arbitrary: fc.record({ endUnwatched: fc.constant(true) }) },
)

const anyMoment = fc.option(fc.integer({ min: -1000, max: 9000 }), { nil: undefined })
const anyQuery = fc.record({
  service: fc.option(fc.constantFrom(...services, 'nobody'), { nil: undefined, freq: 4 }),
  from: anyMoment,
  to: anyMoment,
  before: anyMoment,
  limit: fc.option(fc.nat(12), { nil: undefined }),
})

test('a query finds the same transitions as a full scan, after any series of changes to the log', () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 40, size: 'max' }),
      fc.array(anyQuery, { minLength: 1, maxLength: 8 }),
      (steps, queries) => {
        const { monitor, clock } = watch([])
        const source = createEmitter<Transition>()
        const log = createTransitionLog({ monitor, clock, maxCount: 20, maxAgeMs: 700, source })
        const idAt = (instant: number) => Math.floor(clock.toEpoch(instant)) * 1000
        const timeOf = (id: number) => clock.fromEpoch(id / 1000)
        const after = (id: number, told: readonly (readonly [string, number])[]) =>
          told.map(([service, lateMs], index) =>
            logged(service, Math.max(id + 1, idAt(clock.now())) + index, clock.now() - lateMs),
          )
        for (const step of steps) {
          const completeAfter = { id: idAt(clock.now() - 5000), at: clock.now() - 5000 }
          if ('pass' in step) clock.advance(step.pass)
          else if ('happen' in step) source.emit(logged(step.happen, 0, clock.now()))
          else if ('add' in step) log.add(after(log.lastId(), step.add))
          else if ('replace' in step) log.replace({ transitions: after(0, step.replace), gaps: [], completeAfter }, 0)
          else if ('restore' in step)
            log.restore({
              transitions: after(0, step.restore),
              gaps: [],
              completeAfter,
              endedAt: clock.now(),
            })
          else log.endUnwatched()
          for (const query of queries) {
            const before = query.before === undefined ? undefined : idAt(query.before)
            const kept = log.find({}).reverse()
            assert.deepEqual(log.find({ ...query, before }), scan(kept, { ...query, before }, timeOf))
          }
        }
      },
    ),
    { numRuns: 500 },
  )
})

for (const happens of ['nothing', 'all is forgotten', 'all is replaced'] as const) {
  test(`a long search yields the event loop and finds the entries that there are; in between: ${happens}`, async () => {
    const { monitor, clock } = watch([])
    const source = createEmitter<Transition>()
    const log = createTransitionLog({ monitor, clock, maxCount: 5000, source })
    const fill = () => {
      for (let i = 0; i < 6000; i++) source.emit(logged(services[i % 3] ?? 'pg', 0, clock.now()))
    }
    fill()
    for (const service of [undefined, 'mq']) {
      let isOver = false
      const looking = log.findInSlices({ service, to: clock.now() - 1 }, countingSlices().begin())
      const finding = log.findInSlices({ service }, countingSlices().begin()).finally(() => {
        isOver = true
      })
      let checkQueue = 0
      for (; !isOver; checkQueue++) {
        await setImmediate()
        const completeAfter = { id: 0, at: 0 }
        if (checkQueue !== 3) continue
        if (happens === 'all is forgotten') fill()
        if (happens === 'all is replaced') log.replace({ transitions: [], gaps: [], completeAfter }, 0)
      }
      assert.ok(checkQueue > 3 || log.find({}).length === 0, `${checkQueue} turns`)
      assert.deepEqual(await looking, [])
      const found = await finding
      assert.ok(found.every(({ id }, index) => index === 0 || id < (found[index - 1]?.id ?? 0)))
      if (happens !== 'all is forgotten') assert.deepEqual(found, log.find({ service }))
    }
  })
}
