import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createKeptTransitions } from '../../src/monitor/kept-transitions.ts'
import type { LoggedTransition } from '../../src/monitor/transition-log.ts'

const services = ['pg', 'mq', 'web'] as const
const anyService = fc.constantFrom(...services)

function logged(service: string, id: number): LoggedTransition {
  return { id, service, target: null, from: 'up', to: 'down', at: id, reason: null, message: '' }
}

/** The ids that are kept of a service; undefined when nothing is known of it. */
function idsOf(kept: ReturnType<typeof createKeptTransitions>, service?: string): number[] | undefined {
  const run = kept.of(service)
  return run?.entries.slice(run.first).map(({ id }) => id)
}

test('keeps what each service has, in order', () => {
  const kept = createKeptTransitions()
  for (const [id, service] of ['pg', 'mq', 'pg'].entries()) kept.add(logged(service, id))
  assert.deepEqual(idsOf(kept, 'pg'), [0, 2])
  assert.deepEqual(idsOf(kept, 'mq'), [1])
  assert.deepEqual(idsOf(kept), [0, 1, 2])
  assert.equal(kept.of('web'), undefined)
})

test('a service of which all is forgotten, or replaced, leaves nothing behind', () => {
  const kept = createKeptTransitions()
  for (const [id, service] of ['pg', 'mq', 'pg'].entries()) kept.add(logged(service, id))
  kept.forgetOldest(2)
  assert.equal(kept.of('mq'), undefined)
  kept.replaceAll([logged('web', 3)])
  assert.equal(kept.of('pg'), undefined)
  kept.forgetOldest(1)
  assert.equal(kept.of('web'), undefined)
  assert.deepEqual(kept.all, [])
})

test('of one service no more than a seventh of what it has is held on to after it was forgotten', () => {
  const kept = createKeptTransitions()
  for (let id = 0; id < 1000; id++) kept.add(logged('pg', id))
  for (let left = 999; left > 0; left--) {
    kept.forgetOldest(1)
    const { entries, first } = kept.of('pg') ?? { entries: [], first: 0 }
    assert.equal(entries.length - first, left)
    assert.ok(first <= left / 7, `${first} besides ${left}`)
  }
})

test('has of each service what a look at all would find, whatever was added, forgotten and replaced', () => {
  const anyServices = fc.array(anyService, { maxLength: 60 })
  const step = fc.oneof(
    fc.record({ add: anyServices }),
    fc.record({ forget: fc.nat(40) }),
    fc.record({ replace: anyServices }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const kept = createKeptTransitions()
      let all: LoggedTransition[] = []
      let id = 0
      const many = (names: readonly string[]) => names.map((service) => logged(service, id++))
      for (const step of steps) {
        if ('add' in step) {
          const added = many(step.add)
          for (const entry of added) kept.add(entry)
          all.push(...added)
        } else if ('forget' in step) {
          kept.forgetOldest(step.forget)
          all = all.slice(step.forget)
        } else {
          all = many(step.replace)
          kept.replaceAll(all)
        }
        assert.deepEqual(kept.all, all)
        for (const service of services) {
          const ids = all.filter((entry) => entry.service === service).map((entry) => entry.id)
          assert.deepEqual(idsOf(kept, service) ?? [], ids)
          assert.equal(kept.of(service) === undefined, ids.length === 0)
        }
      }
    }),
    { numRuns: 500 },
  )
})
