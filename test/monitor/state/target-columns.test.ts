import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { answers, type Outcome, reasons } from '../../../src/domain/check/outcome.ts'
import { type Health, neverChecked } from '../../../src/domain/health/health.ts'
import { Status } from '../../../src/domain/health/status.ts'
import { type Target, targetAt } from '../../../src/domain/target/target.ts'
import type { TargetState } from '../../../src/monitor/state/state.ts'
import { createStateStore, type StateStore } from '../../../src/monitor/state/state-store.ts'
import { sampleService } from '../../support/samples.ts'

const instant = fc.double({ min: -1e9, max: 1e9, noNaN: true })
const count = fc.nat(2 ** 32 - 1)
const orNull = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: null })

const record = <Value>(model: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }) =>
  fc.record<Value>(model, { noNullPrototype: true })

const outcome: fc.Arbitrary<Outcome> = record({
  reason: fc.constantFrom(...reasons),
  startedAt: instant,
  endedAt: instant,
  address: fc.constantFrom('10.0.0.7:5432', '10.0.0.8:5432', null),
  latencyMs: orNull(fc.double({ min: 0, max: 300_000, noNaN: true })),
  synRetransmits: orNull(fc.nat(127)),
  answer: orNull(fc.constantFrom(...answers)),
  icmp: orNull(fc.constant({ version: 4, type: 3, code: 13, from: '10.0.0.1' } as const)),
  code: orNull(fc.constantFrom('EMFILE', 'ENOTFOUND')),
  note: orNull(fc.constant('10.0.0.8:5432: no answer in 2.0 s')),
  lookupMs: orNull(fc.nat(5000)),
  lookupFailedSince: orNull(instant),
})
const health: fc.Arbitrary<Health> = record({
  status: fc.constantFrom('up', 'down', 'unknown'),
  since: orNull(instant),
  streak: orNull(record({ verdict: fc.constantFrom('up', 'down'), count })),
  confirmedAt: orNull(instant),
  lastOutcome: orNull(outcome),
  downReason: orNull(fc.constantFrom(...reasons)),
})
const memory = record({
  health,
  emittedStatus: fc.constantFrom(...Status.options),
  checks: count,
  failures: count,
  connectMs: fc.double({ min: 0, noNaN: true }),
  synRetransmits: count,
  lossAt: orNull(instant),
  lookupTotalMs: fc.nat(100_000),
  slowLookupAt: orNull(instant),
})
const blank = {
  health: neverChecked,
  emittedStatus: 'unknown',
  checks: 0,
  failures: 0,
  connectMs: 0,
  synRetransmits: 0,
  lossAt: null,
  lookupTotalMs: 0,
  slowLookupAt: null,
}

function memoryOf({
  health,
  emittedStatus,
  checks,
  failures,
  connectMs,
  synRetransmits,
  lossAt,
  lookupTotalMs,
  slowLookupAt,
}: TargetState) {
  return { health, emittedStatus, checks, failures, connectMs, synRetransmits, lossAt, lookupTotalMs, slowLookupAt }
}

/** Adds a service with targets at these hosts. */
function watchAll(stateStore: StateStore, hosts: readonly string[]): TargetState[] {
  const service = stateStore.addService(sampleService('pg', ['pg:5432']))
  return hosts.map((host) => stateStore.addTarget(targetAt(host, 5432), service))
}

test('the state of a target is read as it was written, after any writes to other targets', () => {
  const writes = fc.array(fc.record({ which: fc.nat(599), memory }), { maxLength: 40 })
  fc.assert(
    fc.property(writes, (all) => {
      // Half of the targets have names, and half have literal addresses.
      const hosts = Array.from({ length: 600 }, (_, i) => (i % 2 === 0 ? `db-${i}` : '10.0.0.7'))
      const targets = watchAll(createStateStore(), hosts)
      const expected = new Map<number, (typeof all)[number]['memory']>()
      for (const { which, memory } of all) {
        Object.assign(targets[which] as TargetState, memory)
        expected.set(which, memory)
      }
      for (const [i, state] of targets.entries()) assert.deepEqual(memoryOf(state), expected.get(i) ?? blank)
    }),
    { numRuns: 50 },
  )
})

test('a target in the slot of a removed one is unchecked, and so is the removed one', () => {
  fc.assert(
    fc.property(memory, memory, (ofFirst, ofNext) => {
      const stateStore = createStateStore()
      const [gone] = watchAll(stateStore, ['db-1']) as [TargetState]
      Object.assign(gone, ofFirst)
      const { slot } = gone
      stateStore.dropTarget(gone)
      const [next] = watchAll(stateStore, ['db-2']) as [TargetState]
      assert.equal(next.slot, slot)
      assert.deepEqual(memoryOf(next), blank)
      Object.assign(next, ofNext)
      assert.deepEqual(memoryOf(gone), blank)
      assert.deepEqual(memoryOf(next), ofNext)
    }),
  )
})

test('a target with a new definition keeps its state', () => {
  const [state] = watchAll(createStateStore(), ['10.0.0.7']) as [TargetState]
  const [sample] = fc.sample(memory, 1)
  Object.assign(state, sample)
  const target: Target = { ...state.target }
  state.target = target
  assert.deepEqual(memoryOf(state), sample)
})
