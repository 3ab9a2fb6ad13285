import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sliceStatuses } from '../../src/domain/slices.ts'
import type { Status } from '../../src/domain/status.ts'
import { measureUptime, type UptimeEvidence } from '../../src/domain/uptime.ts'
import { anyLifeWithAbsences, anyLives, anyStatus } from './lives.ts'

const sign = { up: 'u', degraded: 'd', down: 'D', unknown: '.' }
const draw = (statuses: readonly Status[]) => statuses.map((status) => sign[status]).join('')

/** The slices of a window of 1000 ms that the log holds whole, unless told otherwise: D down, d degraded, u up. */
function slice(evidence: Partial<UptimeEvidence>, count = 4): string {
  const whole = { changes: [], absences: [], status: 'up', completeSince: 0, from: 0, to: 1000 } as const
  return draw(sliceStatuses({ ...whole, ...evidence }, count))
}

test('without a change every slice is what it is now', () => {
  for (const status of ['up', 'degraded', 'down', 'unknown'] as const)
    assert.equal(slice({ status }), sign[status].repeat(4))
})

test('a millisecond of downtime makes a slice down, and only that slice', () => {
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

test('down goes before degraded, and degraded before what held longer', () => {
  const changes = [
    { at: 260, from: 'up', to: 'degraded' },
    { at: 510, from: 'degraded', to: 'down' },
    { at: 520, from: 'down', to: 'degraded' },
    { at: 751, from: 'degraded', to: 'up' },
  ] as const
  assert.equal(slice({ changes }), 'udDd')
})

test('of up and unknown a slice is what held longer, and unknown when both held as long', () => {
  for (const [at, drawn] of [
    [124, 'uuuu'],
    [125, '.uuu'],
    [374, '.uuu'],
    [375, '..uu'],
  ] as const)
    assert.equal(slice({ changes: [{ at, from: 'unknown', to: 'up' }] }), drawn, `${at}`)
})

test('a restart leaves no mark, a longer absence does, and so does what lies before the log', () => {
  assert.equal(slice({ absences: [{ from: 300, to: 307 }] }), 'uuuu')
  assert.equal(slice({ absences: [{ from: 300, to: 700 }] }), 'u..u')
  assert.equal(slice({ completeSince: 600 }), '..uu')
  assert.equal(slice({ completeSince: 2000 }), '....')
})

test('a window without length, or of fewer milliseconds than slices, has them all the same', () => {
  assert.equal(slice({ to: 0 }), '....')
  assert.equal(slice({ to: 2, status: 'down' }, 4).length, 4)
  assert.match(slice({ to: 2, status: 'down' }, 4), /D/)
})

const edgesOf = (windowMs: number, count: number) =>
  Array.from({ length: count + 1 }, (_, edge) => Math.round((edge * windowMs) / count))

/** By counting: what each slice was, of what is known of every millisecond. */
function count(known: readonly Status[], slices: number): Status[] {
  const edges = edgesOf(known.length, slices)
  return edges.slice(1).map((end, index) => {
    const within = known.slice(edges[index], end)
    if (within.includes('down')) return 'down'
    if (within.includes('degraded')) return 'degraded'
    return within.filter((was) => was === 'up').length * 2 > within.length ? 'up' : 'unknown'
  })
}

test('agrees with counting every millisecond, wherever the window and the log begin', () => {
  const anyLived = fc.oneof(anyLives, anyLifeWithAbsences)
  fc.assert(
    fc.property(anyLived, fc.nat(200), fc.nat(200), fc.integer({ min: 1, max: 60 }), (lived, from, since, slices) => {
      const { known, ...noted } = lived
      const to = known.length
      fc.pre(from <= to)
      const seen = known.map((was, ms) => (ms < since ? 'unknown' : was)).slice(from)
      const statuses = sliceStatuses({ ...noted, completeSince: since, from, to }, slices)
      assert.equal(draw(statuses), draw(count(seen, slices)))
    }),
    { numRuns: 5000 },
  )
})

test('a slice is down if and only if there is downtime in it, whatever was noted, in order or not', () => {
  const anyInstant = fc.integer({ min: -100, max: 1100 })
  const anyEvidence = fc.record({
    changes: fc.array(fc.record({ at: anyInstant, from: anyStatus, to: anyStatus }), { maxLength: 20 }),
    absences: fc.array(fc.record({ from: anyInstant, to: anyInstant }), { maxLength: 5 }),
    status: anyStatus,
    completeSince: anyInstant,
  })
  fc.assert(
    fc.property(anyEvidence, fc.nat(1000), fc.integer({ min: 1, max: 60 }), (noted, to, slices) => {
      const edges = edgesOf(to, slices)
      const statuses = sliceStatuses({ ...noted, from: 0, to }, slices)
      // Of windows that end alike: only what holds at their end tells what held after the last change.
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
