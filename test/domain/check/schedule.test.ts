import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextScheduled, phaseOf } from '../../../src/domain/check/schedule.ts'

/** An instant from 2020 to 2100, in milliseconds since the epoch. */
const anyEpoch = fc.double({ min: 1.577e12, max: 4.1e12, noNaN: true })
const anyPhase = fc.string({ minLength: 1 }).map(phaseOf)
const anyInterval = fc.integer({ min: 100, max: 86_400_000 })
/** The tolerance in milliseconds. A double holds an instant of this century only to a quarter of a microsecond. */
const roundingMs = 0.01

/** Returns 10,000 realistic names, many of which differ only in a digit or a letter. */
function realisticNames(): string[] {
  const names: string[] = []
  for (const team of ['payments', 'search', 'billing', 'identity', 'edge']) {
    for (const kind of ['postgres', 'redis', 'kafka', 'api']) {
      for (let n = 0; n < 500; n++) names.push(`${team}-${kind}\n${kind}-${n}.${team}.svc:${5000 + (n % 4)}`)
    }
  }
  return names
}

test('realistic names are spread evenly over the interval', () => {
  const buckets = new Array<number>(100).fill(0)
  const names = realisticNames()
  assert.equal(new Set(names).size, 10_000)
  for (const name of names) {
    const bucket = Math.floor(phaseOf(name) * 100)
    buckets[bucket] = (buckets[bucket] ?? 0) + 1
  }
  assert.equal(buckets.length, 100)
  // The average is 100 with a standard deviation of 10, so the bounds are four and a half deviations away.
  assert.ok(Math.min(...buckets) >= 55, `the emptiest hundredth has ${Math.min(...buckets)}`)
  assert.ok(Math.max(...buckets) <= 145, `the fullest hundredth has ${Math.max(...buckets)}`)
})

test('a few names that differ in the last digit have scattered phases', () => {
  const phases = Array.from({ length: 10 }, (_, n) => phaseOf(`db\ndb-${n}:5432`)).sort((a, b) => a - b)
  const halves = phases.filter((phase) => phase < 0.5).length
  assert.ok(halves >= 2 && halves <= 8, `${halves} of 10 lie in the first half`)
})

test('a phase lies from 0 up to 1, and equal names have equal phases', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const phase = phaseOf(name)
      assert.ok(phase >= 0 && phase < 1)
      assert.equal(phaseOf([...name].join('')), phase)
    }),
  )
  // A fixed value, because replicas of other versions must compute the same phase.
  assert.equal(phaseOf('postgres\ndb-1:5432') * 2 ** 32, 4_171_056_661)
})

test('the next scheduled check is strictly later, by at most one interval', () => {
  fc.assert(
    fc.property(anyEpoch, anyPhase, anyInterval, (after, phase, interval) => {
      const instant = nextScheduled(after, phase, interval)
      assert.ok(instant > after)
      assert.ok(instant <= after + interval + roundingMs)
    }),
    { numRuns: 5000 },
  )
})

test('one scheduled check follows another by exactly one interval', () => {
  fc.assert(
    fc.property(anyEpoch, anyPhase, anyInterval, (after, phase, interval) => {
      const instant = nextScheduled(after, phase, interval)
      assert.ok(Math.abs(nextScheduled(instant, phase, interval) - (instant + interval)) < roundingMs)
    }),
    { numRuns: 20_000 },
  )
})

test('a scheduled check that rounding puts on the given instant is not returned', () => {
  const instant = nextScheduled(2_199_001_390_186.896, 0.757267779708573, 57_931_070)
  assert.ok(nextScheduled(instant, 0.757267779708573, 57_931_070) > instant)
})

test('scheduled checks are aligned to the epoch, so 1,000 of them do not drift', () => {
  fc.assert(
    fc.property(anyEpoch, anyPhase, anyInterval, (after, phase, interval) => {
      const first = nextScheduled(after, phase, interval)
      let instant = first
      for (let n = 0; n < 1000; n++) instant = nextScheduled(instant, phase, interval)
      assert.ok(Math.abs(instant - (first + 1000 * interval)) < roundingMs)
      const rounds = (instant - phase * interval) / interval
      assert.ok(Math.abs(rounds - Math.round(rounds)) * interval < roundingMs)
    }),
    { numRuns: 200 },
  )
})

test('two replicas that ask at different instants of an interval get the same scheduled check', () => {
  fc.assert(
    fc.property(
      anyEpoch,
      anyPhase,
      anyInterval,
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      (at, phase, interval, share) => {
        const instant = nextScheduled(at, phase, interval)
        assert.equal(nextScheduled(instant - share * interval, phase, interval), instant)
      },
    ),
  )
})
