import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Outcome, type Reason, reasons } from '../../../src/domain/check/outcome.ts'
import { createCheckRing, slotBytes } from '../../../src/monitor/state/check-ring.ts'
import { sampleOutcome } from '../../support/samples.ts'

/** Writes one outcome and returns the check that is read back. */
function readBack(reason: Reason, endedAt: number, more: Partial<Outcome> = {}) {
  const checks = createCheckRing(3)
  const slot = 7
  checks.write(slot, sampleOutcome(reason, endedAt, more))
  return checks.read(slot)[0]
}

test('every reason is read back unchanged', () => {
  assert.ok(reasons.length <= 16, 'a reason has 4 bits')
  for (const reason of reasons) assert.equal(readBack(reason, 1000)?.reason, reason)
})

test('SYN retransmits are read back up to 14, and so is an unknown number', () => {
  for (const synRetransmits of [0, 1, 14, null])
    assert.equal(readBack('timeout', 1000, { synRetransmits })?.synRetransmits, synRetransmits)
  assert.equal(readBack('timeout', 1000, { synRetransmits: 1000 })?.synRetransmits, 14)
})

test('a latency is read back to a quarter of a percent, from microseconds to minutes', () => {
  const comesBack = (latencyMs: number) => readBack('connected', 1000, { latencyMs })?.latencyMs ?? Number.NaN
  fc.assert(
    fc.property(fc.double({ min: Math.log(0.001), max: Math.log(300_000), noNaN: true }), (power) => {
      const latencyMs = Math.exp(power)
      const read = comesBack(latencyMs)
      assert.ok(Math.abs(read / latencyMs - 1) <= 0.0025, `${latencyMs} comes back as ${read}`)
    }),
  )
  assert.deepEqual([0, 0.0004, 300_000, 400_000].map(comesBack), [0, 0, 300_000, 300_000])
  assert.equal(readBack('refused', 1000, { latencyMs: null })?.latencyMs, null)
})

test('a time is read back to a tenth of a second and never later, even from before this process and after a year', () => {
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

/** Writes checks that ended with these gaps, and returns the times that are read back. */
function timesBack(gaps: readonly number[], startedAt = 0): { written: number[]; read: number[] } {
  const checks = createCheckRing(60)
  const written: number[] = []
  let endedAt = startedAt
  for (const [index, gapMs] of gaps.entries()) {
    endedAt += gapMs
    written.push(endedAt)
    // Each latency differs, because an equal outcome within 50 ms would be ignored.
    checks.write(7, sampleOutcome('connected', endedAt, { latencyMs: index }))
  }
  return { written: written.slice(-60), read: checks.read(7).map(({ at }) => at) }
}

test('the times of 60 checks with gaps of 10 ms to 204 s are read back to a tenth of a second', () => {
  const gap = fc.oneof(
    fc.double({ min: 10, max: 2000, noNaN: true }),
    fc.double({ min: 10, max: 204_700, noNaN: true }),
  )
  fc.assert(
    fc.property(fc.array(gap, { minLength: 1, maxLength: 150, size: 'max' }), fc.integer(), (gaps, startedAt) => {
      const { written, read } = timesBack(gaps, startedAt)
      assert.deepEqual(
        read,
        written.map((endedAt) => Math.floor(endedAt / 100) * 100),
      )
    }),
  )
})

test('a longer gap is read back to 0.15 percent up to a day, and one of a day and a half as about a day', () => {
  const hour = 3_600_000
  for (const gapMs of [300_000, 0.5 * hour, 1.7 * hour, 12 * hour + 1234, 24 * hour]) {
    const { read } = timesBack([1000, gapMs, 1000])
    const [first = 0, second = 0, third = 0] = read
    assert.equal(third - second, 1000)
    assert.ok(Math.abs((second - first) / gapMs - 1) <= 0.0016, `${gapMs} comes back as ${second - first}`)
  }
  const [first = 0, second = 0] = timesBack([1000, 36 * hour]).read
  assert.equal(Math.floor((second - first) / hour), 25)
})

test('an outcome that arrives twice is stored once, even if its time was rounded or corrected', () => {
  const checks = createCheckRing(10)
  const slot = 7
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

test('equal outcomes are all stored, at 10 checks a second', () => {
  const checks = createCheckRing(60)
  const slot = 7
  for (let check = 0; check < 60; check++)
    checks.write(slot, sampleOutcome('timeout', 5000 + 100 * check, { latencyMs: null }))
  assert.equal(checks.read(slot).length, 60)
})

test('a cleared slot is empty, and may then get older checks', () => {
  const checks = createCheckRing(60)
  checks.write(3, sampleOutcome('connected', 1000))
  checks.clear(3)
  assert.deepEqual(checks.read(3), [])
  checks.write(3, sampleOutcome('refused', 500))
  assert.deepEqual(
    checks.read(3).map(({ reason }) => reason),
    ['refused'],
  )
})

test('a slot takes 4 bytes for each check, and 10 more', () => {
  assert.equal(slotBytes(60), 60 * 4 + 10)
})

test('every slot has the last checks since it was cleared', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ slot: fc.nat(1500), latencyMs: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.record({ slot: fc.nat(1500), latencyMs: fc.constant(null) }) },
  )
  // Few slots, far apart, so that many steps write to the same slot.
  const steps = fc
    .uniqueArray(fc.nat(1500), { minLength: 1, maxLength: 4 })
    .chain((slots) => fc.array(step.map((one) => ({ ...one, slot: slots[one.slot % slots.length] ?? 0 }))))
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 7 }), (all, most) => {
      const checks = createCheckRing(most)
      const model = new Map<number, { at: number; latencyMs: number }[]>()
      let now = 0
      for (const { slot, latencyMs } of all) {
        now += 100
        if (latencyMs === null) {
          checks.clear(slot)
          model.delete(slot)
          continue
        }
        checks.write(slot, sampleOutcome('connected', now, { latencyMs }))
        model.set(slot, [...(model.get(slot) ?? []), { at: now, latencyMs }].slice(-most))
      }
      for (const { slot } of all)
        assert.deepEqual(
          checks.read(slot).map(({ at, latencyMs }) => ({ at, latencyMs: Math.round(latencyMs ?? Number.NaN) })),
          model.get(slot) ?? [],
        )
    }),
    { numRuns: 300 },
  )
})
