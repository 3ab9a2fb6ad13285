import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextBeat, phaseOf } from '../../src/domain/schedule.ts'

/** From 2020 to 2100, in milliseconds since the epoch. */
const anyEpoch = fc.double({ min: 1.577e12, max: 4.1e12, noNaN: true })
const anyPhase = fc.string({ minLength: 1 }).map(phaseOf)
const anyInterval = fc.integer({ min: 100, max: 86_400_000 })
/** An instant of this century is only known to a quarter of a microsecond. */
const roundingMs = 0.01

/** 10,000 names as people give them: they differ in a digit or a letter. */
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
  // 100 in each on average with a standard deviation of 10: four and a half of them either way.
  assert.ok(Math.min(...buckets) >= 55, `the emptiest hundredth has ${Math.min(...buckets)}`)
  assert.ok(Math.max(...buckets) <= 145, `the fullest hundredth has ${Math.max(...buckets)}`)
})

test('a few names that differ in their last digit do not come together', () => {
  const phases = Array.from({ length: 10 }, (_, n) => phaseOf(`db\ndb-${n}:5432`)).sort((a, b) => a - b)
  const halves = phases.filter((phase) => phase < 0.5).length
  assert.ok(halves >= 2 && halves <= 8, `${halves} of 10 lie in the first half`)
})

test('a phase lies from 0 up to 1 and is the same for the same name', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const phase = phaseOf(name)
      assert.ok(phase >= 0 && phase < 1)
      assert.equal(phaseOf([...name].join('')), phase)
    }),
  )
  // Written down: a replica of another version must come to the same phase.
  assert.equal(phaseOf('postgres\ndb-1:5432') * 2 ** 32, 4_171_056_661)
})

test('the next beat lies strictly after, and at most an interval after', () => {
  fc.assert(
    fc.property(anyEpoch, anyPhase, anyInterval, (after, phase, interval) => {
      const beat = nextBeat(after, phase, interval)
      assert.ok(beat > after)
      assert.ok(beat <= after + interval + roundingMs)
    }),
    { numRuns: 5000 },
  )
})

test('the beat after a beat is the next one, never the same and never the one after', () => {
  fc.assert(
    fc.property(anyEpoch, anyPhase, anyInterval, (after, phase, interval) => {
      const beat = nextBeat(after, phase, interval)
      assert.ok(Math.abs(nextBeat(beat, phase, interval) - (beat + interval)) < roundingMs)
    }),
    { numRuns: 20_000 },
  )
})

test('a beat that rounding puts on an instant does not follow that instant', () => {
  const beat = nextBeat(2_199_001_390_186.896, 0.757267779708573, 57_931_070)
  assert.ok(nextBeat(beat, 0.757267779708573, 57_931_070) > beat)
})

test('beats are aligned to the epoch, so 1,000 of them have not drifted', () => {
  fc.assert(
    fc.property(anyEpoch, anyPhase, anyInterval, (after, phase, interval) => {
      const first = nextBeat(after, phase, interval)
      let beat = first
      for (let n = 0; n < 1000; n++) beat = nextBeat(beat, phase, interval)
      assert.ok(Math.abs(beat - (first + 1000 * interval)) < roundingMs)
      const beats = (beat - phase * interval) / interval
      assert.ok(Math.abs(beats - Math.round(beats)) * interval < roundingMs)
    }),
    { numRuns: 200 },
  )
})

test('two replicas that ask at different instants of one interval agree on the beat', () => {
  fc.assert(
    fc.property(
      anyEpoch,
      anyPhase,
      anyInterval,
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      (at, phase, interval, share) => {
        const beat = nextBeat(at, phase, interval)
        assert.equal(nextBeat(beat - share * interval, phase, interval), beat)
      },
    ),
  )
})
