import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Outcome, Reason } from '../../src/domain/outcome.ts'
import { createPastChecks, slotBytes } from '../../src/monitor/past-checks.ts'
import { sampleOutcome } from '../samples.ts'

/** What is read back after one outcome was written. */
function readBack(reason: Reason, endedAt: number, more: Partial<Outcome> = {}) {
  const checks = createPastChecks(3)
  const slot = checks.take()
  checks.write(slot, sampleOutcome(reason, endedAt, more))
  return checks.read(slot)[0]
}

test('every reason comes back as it was', () => {
  assert.ok(Reason.options.length <= 16, 'a reason has 4 bits')
  for (const reason of Reason.options) assert.equal(readBack(reason, 1000)?.reason, reason)
})

test('SYNs sent again come back up to 14, and so does that they could not be seen', () => {
  for (const synRetransmits of [0, 1, 14, null])
    assert.equal(readBack('timeout', 1000, { synRetransmits })?.synRetransmits, synRetransmits)
  assert.equal(readBack('timeout', 1000, { synRetransmits: 1000 })?.synRetransmits, 14)
})

test('a latency comes back to three digits, whether it is microseconds or minutes', () => {
  for (const latencyMs of [0.0214, 0.213, 1.01, 17.3, 999, 60_123]) {
    const read = readBack('connected', 1000, { latencyMs })?.latencyMs ?? Number.NaN
    assert.ok(Math.abs(read / latencyMs - 1) <= 0.0005, `${latencyMs} comes back as ${read}`)
  }
  assert.equal(readBack('connected', 1000, { latencyMs: 0 })?.latencyMs, 0)
  assert.equal(readBack('connected', 1000, { latencyMs: 300_000 })?.latencyMs, 65_504)
  assert.equal(readBack('refused', 1000, { latencyMs: null })?.latencyMs, null)
})

test('the time comes back to a tenth of a second and never later than it was, also from before this process and after a year', () => {
  const year = 365 * 86_400_000
  for (const [endedAt, at] of [
    [0, 0],
    [1234.5, 1200],
    [99.99, 0],
    [-30_001, -30_100],
    [6 * year + 150, 6 * year + 100],
    [150 - 6 * year, 100 - 6 * year],
  ] as const) {
    assert.equal(readBack('connected', endedAt)?.at, at)
  }
})

test('what comes in twice is kept once, also when its time was rounded or corrected on its way', () => {
  const checks = createPastChecks(10)
  const slot = checks.take()
  const endings = () => checks.read(slot).map(({ at }) => at)
  checks.write(slot, sampleOutcome('connected', 1000, { latencyMs: 0.213 }))
  for (const endedAt of [1000, 1000.0002, 999.9998, 1025, 980])
    checks.write(slot, sampleOutcome('connected', endedAt, { latencyMs: 0.213 }))
  checks.write(slot, sampleOutcome('refused', 1000))
  assert.deepEqual(endings(), [1000])
  checks.write(slot, sampleOutcome('connected', 1030, { latencyMs: 0.313 }))
  checks.write(slot, sampleOutcome('connected', 1100, { latencyMs: 0.313 }))
  assert.deepEqual(endings(), [1000, 1000, 1100])
})

test('what is alike is kept as often as it comes, 10 times a second', () => {
  const checks = createPastChecks(60)
  const slot = checks.take()
  for (let check = 0; check < 60; check++)
    checks.write(slot, sampleOutcome('timeout', 5000 + 100 * check, { latencyMs: null }))
  assert.equal(checks.read(slot).length, 60)
})

test('a slot that was given back is taken again, and empty', () => {
  const checks = createPastChecks(60)
  const [first] = [checks.take(), checks.take()]
  checks.write(first, sampleOutcome('connected', 1000))
  checks.giveBack(first)
  assert.equal(checks.take(), first)
  assert.deepEqual(checks.read(first), [])
})

test('a slot takes 7 bytes a check and 10 more', () => {
  assert.equal(slotBytes(60), 60 * 7 + 10)
})

test('every slot has the last that was written to it since it was taken, however many are taken and given back', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('write'), which: fc.nat(), latencyMs: fc.nat(1000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('take'), which: fc.nat(), latencyMs: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('give back'), which: fc.nat(), latencyMs: fc.constant(0) }) },
  )
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.integer({ min: 1, max: 7 }),
      fc.nat(300),
      (steps, most, before) => {
        const checks = createPastChecks(most)
        // So that some lie on another page.
        for (let slot = 0; slot < before; slot++) checks.take()
        const model = new Map<number, { at: number; latencyMs: number }[]>()
        let now = 0
        for (const { do: what, which, latencyMs } of steps) {
          now += 100
          const slot = [...model.keys()][which % Math.max(1, model.size)]
          if (what === 'take') {
            const taken = checks.take()
            assert.ok(!model.has(taken) && taken >= before, `${taken} was taken already`)
            model.set(taken, [])
          } else if (slot === undefined) continue
          else if (what === 'write') {
            checks.write(slot, sampleOutcome('connected', now, { latencyMs }))
            model.set(slot, [...(model.get(slot) ?? []), { at: now, latencyMs }].slice(-most))
          } else {
            checks.giveBack(slot)
            model.delete(slot)
          }
        }
        for (const [slot, expected] of model)
          assert.deepEqual(
            checks.read(slot).map(({ at, latencyMs }) => ({ at, latencyMs })),
            expected,
          )
      },
    ),
    { numRuns: 300 },
  )
})
