import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Status } from '../../../src/domain/health/status.ts'
import { bucketStatuses } from '../../../src/domain/health/time-buckets.ts'
import { measureUptime, type StatusChange, type UptimeEvidence } from '../../../src/domain/health/uptime.ts'
import { anyLifeWithGaps, anyLives, anyStatus, createStatusChanges } from '../lives.ts'

const sign = { up: 'u', degraded: 'd', down: 'D', unknown: '.' }
const draw = (statuses: readonly Status[]) => statuses.map((status) => sign[status]).join('')

/** Draws the time buckets of a window: D down, d degraded, u up, . unknown. By default the window is 1000 ms long and the log is complete. */
function slice(
  { changes = [], ...evidence }: Partial<Omit<UptimeEvidence, 'changes'> & { changes: readonly StatusChange[] }>,
  count = 4,
): string {
  const whole = {
    changes: createStatusChanges(changes),
    gaps: [],
    status: 'up',
    completeSince: 0,
    from: 0,
    to: 1000,
  } as const
  return draw(bucketStatuses({ ...whole, ...evidence }, count))
}

test('without a change every time bucket has the current status', () => {
  for (const status of ['up', 'degraded', 'down', 'unknown'] as const)
    assert.equal(slice({ status }), sign[status].repeat(4))
})

test('one millisecond of downtime makes only its own time bucket down', () => {
  for (const [at, drawn] of [
    [0, 'Duuu'],
    [249, 'Duuu'],
    [250, 'uDuu'],
    [499, 'uDuu'],
    [999, 'uuuD'],
  ] as const) {
    const changes = [
      { at, from: 'up', to: 'down' },
      { at: at + 1, from: 'down', to: 'up' },
    ] as const
    assert.equal(slice({ changes }), drawn, `${at}`)
  }
})

test('down overrides degraded, and degraded overrides a status that held longer', () => {
  const changes = [
    { at: 260, from: 'up', to: 'degraded' },
    { at: 510, from: 'degraded', to: 'down' },
    { at: 520, from: 'down', to: 'degraded' },
    { at: 751, from: 'degraded', to: 'up' },
  ] as const
  assert.equal(slice({ changes }), 'udDd')
})

test('of up and unknown the longer status wins, and unknown wins a tie', () => {
  for (const [at, drawn] of [
    [124, 'uuuu'],
    [125, '.uuu'],
    [374, '.uuu'],
    [375, '..uu'],
  ] as const)
    assert.equal(slice({ changes: [{ at, from: 'unknown', to: 'up' }] }), drawn, `${at}`)
})

test('a short gap leaves no mark, but a longer gap and time before the log do', () => {
  assert.equal(slice({ gaps: [{ from: 300, to: 307 }] }), 'uuuu')
  assert.equal(slice({ gaps: [{ from: 300, to: 700 }] }), 'u..u')
  assert.equal(slice({ completeSince: 600 }), '..uu')
  assert.equal(slice({ completeSince: 2000 }), '....')
})

test('a window of length 0, or with fewer milliseconds than buckets, has all its buckets', () => {
  assert.equal(slice({ to: 0 }), '....')
  assert.equal(slice({ to: 2, status: 'down' }, 4).length, 4)
  assert.match(slice({ to: 2, status: 'down' }, 4), /D/)
})

const edgesOf = (windowMs: number, count: number) =>
  Array.from({ length: count + 1 }, (_, edge) => Math.round((edge * windowMs) / count))

/** Returns the status of each time bucket by counting the known status of every millisecond. */
function count(known: readonly Status[], slices: number): Status[] {
  const edges = edgesOf(known.length, slices)
  return edges.slice(1).map((end, index) => {
    const within = known.slice(edges[index], end)
    if (within.includes('down')) return 'down'
    if (within.includes('degraded')) return 'degraded'
    return within.filter((was) => was === 'up').length * 2 > within.length ? 'up' : 'unknown'
  })
}

test('the buckets agree with a count of every millisecond, wherever the window and the log begin', () => {
  const anyLived = fc.oneof(anyLives, anyLifeWithGaps)
  fc.assert(
    fc.property(anyLived, fc.nat(200), fc.nat(200), fc.integer({ min: 1, max: 60 }), (lived, from, since, slices) => {
      const { known, ...noted } = lived
      const changes = createStatusChanges(lived.changes)
      const to = known.length
      fc.pre(from <= to)
      const seen = known.map((was, ms) => (ms < since ? 'unknown' : was)).slice(from)
      const statuses = bucketStatuses({ ...noted, changes, completeSince: since, from, to }, slices)
      assert.equal(draw(statuses), draw(count(seen, slices)))
    }),
    { numRuns: 5000 },
  )
})

test('a time bucket is down if and only if it contains downtime, for any changes in any order', () => {
  const anyInstant = fc.integer({ min: -100, max: 1100 })
  const anyEvidence = fc.record({
    changes: fc
      .array(fc.record({ at: anyInstant, from: anyStatus, to: anyStatus }), { maxLength: 20 })
      .map(createStatusChanges),
    gaps: fc.array(fc.record({ from: anyInstant, to: anyInstant }), { maxLength: 5 }),
    status: anyStatus,
    completeSince: anyInstant,
  })
  fc.assert(
    fc.property(anyEvidence, fc.nat(1000), fc.integer({ min: 1, max: 60 }), (noted, to, slices) => {
      const edges = edgesOf(to, slices)
      const statuses = bucketStatuses({ ...noted, from: 0, to }, slices)
      // Compares windows with the same end, because the status at the end decides the time after the last change.
      const downMsSince = (from: number) => measureUptime({ ...noted, from, to }).downMs
      const isDown = statuses.map((_, index) => downMsSince(edges[index] ?? 0) > downMsSince(edges[index + 1] ?? to))
      assert.equal(statuses.length, slices)
      assert.deepEqual(
        statuses.map((status) => status === 'down'),
        isDown,
      )
    }),
    { numRuns: 3000 },
  )
})
