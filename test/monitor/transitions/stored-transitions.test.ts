import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { reasons } from '../../../src/domain/check/outcome.ts'
import { Status } from '../../../src/domain/health/status.ts'
import type { LoggedTransition } from '../../../src/domain/health/transition.ts'
import { createStoredTransitions, type StoredTransitions } from '../../../src/monitor/transitions/stored-transitions.ts'
import { bytesOf } from '../memory.ts'

/** The first two names share a hash chain. */
const services = ['pg', 'mq-100286', 'web'] as const
const anyService = fc.constantFrom(...services)

function logged(service: string, id: number): LoggedTransition {
  return { id, service, target: null, from: 'up', to: 'down', at: id, reason: null, message: '' }
}

/** Returns the ids of the entries of a service, or of all services, newest first. */
function idsOf(kept: StoredTransitions, service?: string): number[] {
  return [...kept.placesOf(service)].map((place) => kept.idAt(place))
}

const allOf = (kept: StoredTransitions) => kept.readFrom(kept.first)

test('the entries of each service are found in order', () => {
  const kept = createStoredTransitions()
  for (const [id, service] of ['pg', 'mq-100286', 'pg'].entries()) kept.add(logged(service, id))
  assert.deepEqual(idsOf(kept, 'pg'), [2, 0])
  assert.deepEqual(idsOf(kept, 'mq-100286'), [1])
  assert.deepEqual(idsOf(kept), [2, 1, 0])
  assert.deepEqual(idsOf(kept, 'web'), [])
})

test('the status changes of a service come oldest first, without those of its targets and of other services', () => {
  const kept = createStoredTransitions()
  for (const [id, service] of ['pg', 'mq-100286', 'pg', 'pg'].entries())
    kept.add({ ...logged(service, id), target: id === 2 ? 'db:5432' : null })
  assert.deepEqual(kept.changesOf('pg'), { at: [0, 3], from: ['up', 'up'], to: ['down', 'down'] })
  assert.deepEqual(kept.changesOf('web'), { at: [], from: [], to: [] })
  kept.forgetBefore(1)
  assert.deepEqual(kept.changesOf('pg'), { at: [3], from: ['up'], to: ['down'] })
})

test('an entry is read as it was added, with any content', () => {
  const anyStatus = fc.constantFrom(...Status.options)
  const fields = {
    id: fc.maxSafeNat(),
    service: fc.string(),
    target: fc.option(fc.string()),
    from: anyStatus,
    to: anyStatus,
    at: fc.double({ noNaN: true }),
    reason: fc.option(fc.constantFrom(...reasons)),
    message: fc.string({ unit: 'binary' }),
  }
  const anyTransition = fc.record(fields, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.array(anyTransition, { size: 'max', maxLength: 50 }), (all) => {
      const kept = createStoredTransitions()
      for (const transition of all) kept.add(transition)
      assert.deepEqual(allOf(kept), all)
      assert.deepEqual(
        [...kept.placesOf(undefined)].map((place) => kept.instantAt(place)),
        all.map(({ at }) => at).reverse(),
      )
    }),
  )
})

test('the limit bounds how many entries are read', () => {
  const kept = createStoredTransitions()
  for (let id = 0; id < 5; id++) kept.add(logged('pg', id))
  const idsFrom = (place: number, limit?: number) => kept.readFrom(place, limit).map(({ id }) => id)
  assert.deepEqual(idsFrom(1, 2), [1, 2])
  assert.deepEqual(idsFrom(3, 9), [3, 4])
  assert.deepEqual(idsFrom(5), [])
})

test('a service whose entries are all forgotten or replaced has none left', () => {
  const kept = createStoredTransitions()
  for (const [id, service] of ['pg', 'mq-100286', 'pg'].entries()) kept.add(logged(service, id))
  kept.forgetBefore(2)
  assert.deepEqual(idsOf(kept, 'mq-100286'), [])
  kept.replaceAll([logged('web', 3)])
  assert.deepEqual(idsOf(kept, 'pg'), [])
  kept.forgetBefore(kept.end)
  assert.deepEqual(idsOf(kept, 'web'), [])
  assert.deepEqual(allOf(kept), [])
})

test('the entries of each service equal those of a full scan, after any additions, removals and replacements', () => {
  const anyServices = fc.array(anyService, { size: 'max', maxLength: 1200 })
  const step = fc.oneof(
    fc.record({ add: anyServices }),
    fc.record({ forget: fc.nat(1200) }),
    fc.record({ replace: anyServices }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const kept = createStoredTransitions()
      let all: LoggedTransition[] = []
      let id = 0
      const many = (names: readonly string[]) => names.map((service) => logged(service, id++))
      for (const step of steps) {
        if ('add' in step) {
          const added = many(step.add)
          for (const entry of added) kept.add(entry)
          all.push(...added)
        } else if ('forget' in step) {
          kept.forgetBefore(kept.first + Math.min(step.forget, all.length))
          all = all.slice(step.forget)
        } else {
          all = many(step.replace)
          kept.replaceAll(all)
        }
        assert.deepEqual(allOf(kept), all)
        for (const service of services) {
          const ids = all.filter((entry) => entry.service === service).map((entry) => entry.id)
          assert.deepEqual(idsOf(kept, service), ids.reverse())
        }
      }
    }),
    { numRuns: 100 },
  )
})

test('an entry takes about 100 bytes, and none once it is forgotten', () => {
  const count = 20_000
  const kept = createStoredTransitions()
  const names = Array.from({ length: count }, (_, index) => `service-${index}`)
  const taken = bytesOf(() => {
    for (const [id, service] of names.entries())
      kept.add({ ...logged(service, id), message: `connected in ${id % 10} ms` })
  })
  assert.ok(taken / count < 130, `${taken / count} bytes`)
  const left = bytesOf(() => kept.forgetBefore(kept.end))
  assert.ok(left < -0.8 * taken, `${-left} of ${taken} bytes are freed`)
})
