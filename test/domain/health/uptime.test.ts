import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Status } from '../../../src/domain/health/status.ts'
import {
  measureUptime as measureColumns,
  type StatusChange,
  type UptimeEvidence,
} from '../../../src/domain/health/uptime.ts'
import { anyLifeWithGaps, anyLives, anyStatus, createStatusChanges } from '../lives.ts'

type ListedEvidence = Omit<UptimeEvidence, 'changes'> & { readonly changes: readonly StatusChange[] }

const measureUptime = ({ changes, ...evidence }: ListedEvidence) =>
  measureColumns({ ...evidence, changes: createStatusChanges(changes) })

/** Returns the milliseconds up, down and unknown, and the ratio. By default the window is 1000 ms long and the log is complete. */
function measure(evidence: Partial<ListedEvidence>): [number, number, number, number | null] {
  const { upMs, downMs, unknownMs, ratio } = measureUptime({
    changes: [],
    gaps: [],
    status: 'up',
    completeSince: 0,
    from: 0,
    to: 1000,
    ...evidence,
  })
  return [upMs, downMs, unknownMs, ratio]
}

test('without a change the current status held for the whole window', () => {
  assert.deepEqual(measure({ status: 'up' }), [1000, 0, 0, 1])
  assert.deepEqual(measure({ status: 'degraded' }), [1000, 0, 0, 1])
  assert.deepEqual(measure({ status: 'down' }), [0, 1000, 0, 0])
  assert.deepEqual(measure({ status: 'unknown' }), [0, 0, 1000, null])
})

test('before the first change its `from` status held', () => {
  assert.deepEqual(measure({ changes: [{ at: 750, from: 'up', to: 'down' }], status: 'down' }), [750, 250, 0, 0.75])
  assert.deepEqual(measure({ changes: [{ at: 750, from: 'down', to: 'up' }] }), [250, 750, 0, 0.25])
})

test('degraded counts as up', () => {
  const changes = [
    { at: 200, from: 'up', to: 'degraded' },
    { at: 600, from: 'degraded', to: 'down' },
  ] as const
  assert.deepEqual(measure({ changes, status: 'down' }), [600, 400, 0, 0.6])
})

test('a service registered within the window is unknown until its first verdict, and the ratio ignores that time', () => {
  assert.deepEqual(measure({ changes: [{ at: 900, from: 'unknown', to: 'up' }] }), [100, 0, 900, 1])
})

test('the ratio ignores unknown time between two statuses', () => {
  const changes = [
    { at: 100, from: 'up', to: 'unknown' },
    { at: 900, from: 'unknown', to: 'down' },
  ] as const
  assert.deepEqual(measure({ changes, status: 'down' }), [100, 100, 800, 0.5])
})

test('time before the log is complete is unknown', () => {
  assert.deepEqual(measure({ completeSince: 400 }), [600, 0, 400, 1])
  const changes = [{ at: 700, from: 'down', to: 'up' }] as const
  assert.deepEqual(measure({ changes, completeSince: 400 }), [300, 300, 400, 0.5])
  assert.deepEqual(measure({ changes, completeSince: -5000 }), [300, 700, 0, 0.3])
})

test('a log that begins at the end of the window gives only unknown time', () => {
  assert.deepEqual(measure({ completeSince: 1000 }), [0, 0, 1000, null])
  assert.deepEqual(measure({ completeSince: 1001 }), [0, 0, 1000, null])
})

test('a change at the end of the window takes no time, and one at its beginning takes the whole window', () => {
  assert.deepEqual(measure({ changes: [{ at: 1000, from: 'up', to: 'down' }], status: 'down' }), [1000, 0, 0, 1])
  assert.deepEqual(measure({ changes: [{ at: 0, from: 'up', to: 'down' }], status: 'down' }), [0, 1000, 0, 0])
})

test('changes before the window only decide the status at its beginning', () => {
  const changes = [
    { at: -500, from: 'unknown', to: 'up' },
    { at: -100, from: 'up', to: 'down' },
    { at: 250, from: 'down', to: 'up' },
  ] as const
  assert.deepEqual(measure({ changes, completeSince: -1000 }), [750, 250, 0, 0.75])
})

test('a service that is removed and registered again is unknown from the removal to its first verdict', () => {
  const changes = [
    { at: 100, from: 'unknown', to: 'up' },
    { at: 300, from: 'up', to: 'unknown' },
    { at: 600, from: 'unknown', to: 'down' },
  ] as const
  assert.deepEqual(measure({ changes, status: 'down' }), [200, 400, 400, 0.333333])
})

test('removing a service that was unknown changes nothing', () => {
  const changes = [
    { at: 300, from: 'unknown', to: 'unknown' },
    { at: 600, from: 'unknown', to: 'up' },
  ] as const
  assert.deepEqual(measure({ changes }), [400, 0, 600, 1])
})

test('a service registered again without a verdict since is unknown up to now', () => {
  const changes = [
    { at: 300, from: 'down', to: 'up' },
    { at: 400, from: 'up', to: 'unknown' },
  ] as const
  assert.deepEqual(measure({ changes, status: 'unknown' }), [100, 300, 600, 0.25])
})

test('a change with an older time than the change before it takes no time', () => {
  const changes = [
    { at: 500, from: 'unknown', to: 'up' },
    { at: 300, from: 'up', to: 'unknown' },
  ] as const
  assert.deepEqual(measure({ changes, status: 'down' }), [0, 500, 500, 0])
})

test('a gap is unknown, and the status holds before and after it', () => {
  const gaps = [
    { from: 200, to: 300 },
    { from: 600, to: 650 },
  ]
  assert.deepEqual(measure({ gaps }), [850, 0, 150, 1])
  assert.deepEqual(measure({ gaps, status: 'down' }), [0, 850, 150, 0])
})

test('a service not checked since a restart keeps its last status up to the gap and is unknown after it', () => {
  const changes = [{ at: -500, from: 'unknown', to: 'up' }] as const
  const gaps = [{ from: 400, to: 500 }]
  assert.deepEqual(measure({ changes, gaps, status: 'unknown', completeSince: -1000 }), [400, 0, 600, 1])
})

test('a service found down after a gap counts as up until then, except for the gap', () => {
  const changes = [{ at: 520, from: 'up', to: 'down' }] as const
  const gaps = [{ from: 400, to: 500 }]
  assert.deepEqual(measure({ changes, gaps, status: 'down' }), [420, 480, 100, 0.466667])
})

test('a change at the start, at the end or within a gap does not shorten the gap', () => {
  const gaps = [{ from: 400, to: 500 }]
  for (const [at, upMs] of [
    [400, 400],
    [450, 400],
    [500, 400],
  ] as const) {
    const changes = [{ at, from: 'up', to: 'down' }] as const
    assert.deepEqual(measure({ changes, gaps, status: 'down' }).slice(0, 3), [upMs, 500, 100], `${at}`)
  }
})

test('a gap that crosses the end of the window counts for the part within', () => {
  const gaps = [
    { from: -100, to: 100 },
    { from: 950, to: 1100 },
    { from: 1200, to: 1300 },
  ]
  assert.deepEqual(measure({ gaps, completeSince: -1000 }), [850, 0, 150, 1])
})

test('a service up for 40 days with two restarts is up for the 30 days of the window less the gaps', () => {
  const day = 86_400_000
  const changes = [{ at: -40 * day, from: 'unknown', to: 'up' }] as const
  const gaps = [
    { from: -20 * day, to: -20 * day + 7001 },
    { from: -3 * day, to: -3 * day + 5 },
  ]
  const evidence = { gaps, completeSince: -40 * day, from: -30 * day, to: 0 }
  assert.deepEqual(measure({ ...evidence, changes }), [30 * day - 7006, 0, 7006, 1])
  // The log may have dropped the change.
  assert.deepEqual(measure(evidence), [30 * day - 7006, 0, 7006, 1])
})

test('the ratio is rounded to 6 decimals', () => {
  const changes = [{ at: 1, from: 'down', to: 'up' }] as const
  assert.equal(measure({ changes, to: 3 })[3], 0.666667)
})

test('one millisecond of downtime in 30 days gives less than 100 %', () => {
  const to = 30 * 86_400_000
  const changes = [
    { at: 5000, from: 'up', to: 'down' },
    { at: 5001, from: 'down', to: 'up' },
  ] as const
  assert.deepEqual(measure({ changes, to }), [to - 1, 1, 0, 0.999999])
})

test('the uptime equals a count of every millisecond, wherever the window and the log begin', () => {
  fc.assert(
    fc.property(anyLives, fc.nat(300), fc.nat(300), fc.boolean(), (lived, from, completeSince, onlyThoseWithin) => {
      const { changes, known, status } = lived
      const to = known.length
      fc.pre(from <= to)
      const seen = known.map((was, ms) => (ms < completeSince ? 'unknown' : was)).slice(from)
      const count = (...statuses: Status[]) => seen.filter((was) => statuses.includes(was)).length
      const given = onlyThoseWithin ? changes.filter(({ at }) => at >= Math.max(from, completeSince)) : changes
      const uptime = measureUptime({ changes: given, gaps: [], status, completeSince, from, to })
      assert.equal(uptime.upMs, count('up', 'degraded'))
      assert.equal(uptime.downMs, count('down'))
      assert.equal(uptime.unknownMs, count('unknown'))
    }),
    { numRuns: 5000 },
  )
})

test('the uptime equals a count of every millisecond when Porthole was stopped at times', () => {
  fc.assert(
    fc.property(anyLifeWithGaps, fc.nat(200), fc.nat(200), (lived, from, completeSince) => {
      const { changes, gaps, known, status } = lived
      const to = known.length
      fc.pre(from <= to)
      const seen = known.slice(from).filter((_, ms) => ms + from >= completeSince)
      const uptime = measureUptime({ changes, gaps, status, completeSince, from, to })
      assert.equal(uptime.upMs, seen.filter((was) => was === 'up' || was === 'degraded').length)
      assert.equal(uptime.downMs, seen.filter((was) => was === 'down').length)
      assert.equal(uptime.upMs + uptime.downMs + uptime.unknownMs, to - from)
    }),
    { numRuns: 5000 },
  )
})

test('the parts add up to the window and the ratio lies between 0 and 1 for any instants', () => {
  const anyInstant = fc.double({ min: -1e9, max: 1e10, noNaN: true })
  const anyChange = fc.record({ at: anyInstant, from: anyStatus, to: anyStatus })
  fc.assert(
    fc.property(
      fc.array(anyChange),
      anyStatus,
      anyInstant,
      fc.tuple(anyInstant, anyInstant),
      fc.array(fc.record({ from: anyInstant, to: anyInstant })),
      (changes, status, completeSince, ends, gaps) => {
        const [from, to] = [Math.min(...ends), Math.max(...ends)]
        const { upMs, downMs, unknownMs, ratio } = measureUptime({ changes, gaps, status, completeSince, from, to })
        assert.equal(upMs + downMs + unknownMs, Math.round(to - from))
        for (const ms of [upMs, downMs, unknownMs]) assert.ok(Number.isInteger(ms) && ms >= 0)
        assert.equal(ratio === null, upMs + downMs === 0)
        if (ratio === null) return
        assert.ok(ratio >= 0 && ratio <= 1)
        assert.equal(ratio, Number(ratio.toFixed(6)))
        assert.equal(ratio === 1, downMs === 0)
      },
    ),
    { numRuns: 5000 },
  )
})
