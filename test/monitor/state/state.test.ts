import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { reasons } from '../../../src/domain/check/outcome.ts'
import { type Quorum, statusOf } from '../../../src/domain/service/quorum.ts'
import { effectiveServiceStatus, type ServiceState } from '../../../src/monitor/state/state.ts'
import { countTargets } from '../../../src/monitor/state/status-counts.ts'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

/** Returns the status of a service without any cache. */
function readsAnew({ targets, service }: ServiceState, now: number) {
  const { counts, pending } = countTargets(targets, service.policy, now)
  return statusOf(counts, service.quorum, pending)
}

test('the cached status of a service equals the uncached one, after any number of reads', async () => {
  const targets = ['a:1', 'b:1', 'c:1']
  const quorum = fc.constantFrom<Quorum>('all', 'any', 2)
  const step = fc.oneof(
    fc.record({
      which: fc.nat(2),
      reason: fc.oneof(fc.constant('connected' as const), fc.constantFrom(...reasons)),
    }),
    fc.record({ passMs: fc.oneof(fc.nat(10_000), fc.nat(100_000)) }),
    fc.record({ count: fc.integer({ min: 1, max: 3 }), quorum }),
  )
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const { clock, registry, service, checkOnce } = watch([sampleService('pg', targets)])
      for (const next of steps) {
        const pg = service('pg')
        if ('passMs' in next) clock.advance(next.passMs)
        else if ('count' in next)
          registry.replaceAll([sampleService('pg', targets.slice(0, next.count), { quorum: next.quorum })], [])
        else {
          const target = pg.targets[next.which]
          if (target !== undefined) await checkOnce(target, next.reason, { endedAt: clock.now() })
        }
        const status = effectiveServiceStatus(pg, clock.now())
        assert.equal(status, readsAnew(pg, clock.now()))
        seen.set(status, (seen.get(status) ?? 0) + 1)
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(seen.size === 4 && Math.min(...seen.values()) > 50, JSON.stringify([...seen]))
})

test('a second read of the status of a service does not read its targets', async () => {
  const { clock, service, target, checkOnce } = watch([sampleService('pg', ['a:1', 'b:1'])])
  for (const name of ['a:1', 'b:1']) await checkOnce(target('pg', name), 'connected')
  const pg = service('pg')
  assert.equal(effectiveServiceStatus(pg, clock.now()), 'up')
  let looks = 0
  for (const state of pg.targets) {
    const { health } = state
    Object.defineProperty(state, 'health', {
      get() {
        looks++
        return health
      },
    })
  }
  assert.equal(effectiveServiceStatus(pg, clock.now()), 'up')
  assert.equal(looks, 0)
  clock.advance(100_000)
  assert.equal(effectiveServiceStatus(pg, clock.now()), 'unknown')
  assert.ok(looks > 0)
})
