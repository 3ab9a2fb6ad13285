import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { Status } from '../../../src/domain/health/status.ts'
import type { PastCheck } from '../../../src/monitor/state/check-ring.ts'
import { checksPerRing, type History } from '../../../src/monitor/state/history.ts'
import { type Round, roundsOf, sparkline, strip } from '../../../src/page/parts/charts.ts'
import { watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'
import { type Element, readElements } from '../elements.ts'

type Check = readonly [reason: Reason, latencyMs?: number | null, synRetransmits?: number | null]

/** Returns the rounds of targets with these checks, the oldest first. */
function rounds(...checksOf: readonly (readonly Check[])[]): Round[] {
  const targets = checksOf.map((_, index) => `db-${index}:1`)
  const { service } = watch([sampleService('db', targets)])
  const state = service('db').targets
  const history: History = {
    of: (target) =>
      (checksOf[state.indexOf(target)] ?? []).map(
        ([reason, latencyMs = null, synRetransmits = 0], index): PastCheck => ({
          at: index,
          reason,
          latencyMs,
          synRetransmits,
        }),
      ),
    close: () => undefined,
  }
  return roundsOf(history, state)
}

const told = (all: readonly Round[]) => all.map(({ verdict, latencyMs }) => `${verdict} ${latencyMs}`).join(', ')

test('the rounds of one target are its checks, the latest last', () => {
  assert.deepEqual(rounds([['connected', 1.5], ['refused', 0.2], ['local'], ['connected', 1003, 1]]), [
    { verdict: 'up', latencyMs: 1.5, synRetransmits: 0 },
    { verdict: 'down', latencyMs: null, synRetransmits: 0 },
    { verdict: 'unknown', latencyMs: null, synRetransmits: 0 },
    { verdict: 'up', latencyMs: 1003, synRetransmits: 1 },
  ])
  assert.deepEqual(rounds([]), [])
  assert.deepEqual(rounds(), [])
})

test('a round has the worst verdict of the targets, and the longest latency of those that connected', () => {
  assert.equal(told(rounds([['connected', 1]], [['connected', 3]], [['connected', 2]])), 'up 3')
  assert.equal(told(rounds([['connected', 1]], [['refused', 9]])), 'down 1')
  assert.equal(told(rounds([['refused', 9]], [['connected', 1]])), 'down 1')
  assert.equal(told(rounds([['local']], [['connected', 1]])), 'unknown 1')
  assert.equal(told(rounds([['denied']], [['timeout']], [['connected', 1]])), 'down 1')
  assert.equal(told(rounds([['timeout']], [['unreachable']])), 'down null')
})

test('rounds are counted back from the latest, so that a target with fewer checks is missing from the earliest rounds', () => {
  const long: Check[] = [
    ['connected', 1],
    ['connected', 2],
    ['connected', 3],
  ]
  for (const all of [rounds(long, [['refused']]), rounds([['refused']], long)])
    assert.equal(told(all), 'up 1, up 2, down 3')
})

test('a second SYN is shown only where the target connected', () => {
  const [answered, silent, unseen] = rounds([
    ['connected', 1003, 1],
    ['timeout', null, 2],
    ['connected', 1, null],
  ])
  assert.deepEqual([answered?.synRetransmits, silent?.synRetransmits, unseen?.synRetransmits], [1, 0, 0])
  const [both] = rounds([['connected', 1]], [['connected', 1003, 1]])
  assert.equal(both?.synRetransmits, 1)
})

const up = (latencyMs: number): Round => ({ verdict: 'up', latencyMs, synRetransmits: 0 })
const lossy: Round = { verdict: 'up', latencyMs: 1003, synRetransmits: 1 }
const down: Round = { verdict: 'down', latencyMs: null, synRetransmits: 0 }
const unknown: Round = { verdict: 'unknown', latencyMs: null, synRetransmits: 0 }

/** Reads a chart: its label, and its paths. */
function look(markup: { markup: string }) {
  const [svg = assert.fail(), ...paths] = readElements(markup.markup)
  assert.deepEqual([svg.name, svg.attributes.role], ['svg', 'img'])
  return { label: svg.attributes['aria-label'], paths: paths.filter(({ name }) => name === 'path'), svg }
}

test('the label of a sparkline describes in words what the sparkline shows', () => {
  for (const [all, label] of [
    [[], 'no check yet'],
    [[up(3), up(1), up(2)], 'last 3 checks: median latency 2.00 ms, at most 3.00 ms'],
    [[down, down], 'last 2 checks: 2 failed'],
    [
      [up(12), down, lossy, up(12)],
      'last 4 checks: median latency 12.0 ms, at most 1.0 s, 1 failed, 1 needed a second SYN',
    ],
    [[unknown, unknown], 'last 2 checks: unknown'],
    [[up(1), unknown], 'last 2 checks: median latency 1.00 ms, at most 1.00 ms'],
    [
      [{ verdict: 'down', latencyMs: 2, synRetransmits: 1 } as const, up(2)],
      'last 2 checks: median latency 2.00 ms, at most 2.00 ms, 1 failed, 1 needed a second SYN',
    ],
  ] as const) {
    assert.equal(look(sparkline(all)).label, label)
  }
})

/** Returns the kinds of paths that draw these rounds. */
const kindsOf = (...all: Round[]) =>
  look(sparkline(all))
    .paths.map(({ attributes }) => attributes.class)
    .join()

test('checks that connected, failed, needed a second SYN or have the verdict unknown look different', () => {
  const kinds = [kindsOf(up(1)), kindsOf(lossy), kindsOf(down), kindsOf(unknown)]
  assert.equal(new Set(kinds).size, kinds.length, kinds.join(' '))
  for (const kind of kinds) assert.notEqual(kind, '')
})

test('where some targets failed and others answered, both are drawn', () => {
  assert.equal(kindsOf({ verdict: 'down', latencyMs: 1, synRetransmits: 0 }), kindsOf(up(1), down))
})

/** Returns every stroke of a chart, and the size of its view box. */
function places({ paths, svg }: { paths: readonly Element[]; svg: Element }) {
  const [, , width = 0, height = 0] = String(svg.attributes.viewBox).split(' ').map(Number)
  const strokes = paths.flatMap(({ attributes }) => [
    ...(attributes.d ?? '').matchAll(/M([\d.-]+) ([\d.-]+)(?:[vh]([\d.-]+))?/g),
  ])
  return { width, height, strokes: strokes.map((match) => match.slice(1, 4).map(Number)) }
}

test('the latest round is at the right edge, whether there are few rounds or many', () => {
  const lastAt = (count: number) =>
    Math.max(...places(look(sparkline(Array(count).fill(up(1))))).strokes.map(([x = 0]) => x))
  assert.equal(lastAt(1), lastAt(checksPerRing))
  assert.equal(lastAt(7), lastAt(checksPerRing))
})

test('any rounds are drawn within the picture, with finite numbers', () => {
  const round: fc.Arbitrary<Round> = fc.oneof(
    fc.record({
      verdict: fc.constantFrom('up', 'down', 'unknown'),
      latencyMs: fc.option(fc.double({ min: 0, max: 300_000, noNaN: true })),
      synRetransmits: fc.nat(14),
    }),
    fc.constantFrom(down, unknown, lossy),
  )
  fc.assert(
    fc.property(fc.array(round, { maxLength: checksPerRing }), (all) => {
      const { width, height, strokes } = places(look(sparkline(all)))
      for (const [x = Number.NaN, y = Number.NaN, by = 0] of strokes)
        assert.ok(x > 0 && x < width && y >= 0 && y <= height && y + by >= 0 && y + by <= height, `${x} ${y} ${by}`)
    }),
  )
})

test('a second SYN does not flatten the latencies beside it', () => {
  const heights = (...all: Round[]) => places(look(sparkline(all))).strokes.map(([, , by]) => by)
  const [slow] = heights(up(10), up(5))
  assert.ok(heights(lossy, up(10), up(5)).includes(slow))
})

test('the half hours of a day look different by status, stand at their time, and have a label', () => {
  const classes = Status.options.map((status) => {
    const { label, paths } = look(strip([status], `a <${status}> day`))
    assert.equal(label, `a <${status}> day`)
    const [path = assert.fail(), ...others] = paths
    assert.equal(others.length, 0)
    return path.attributes.class
  })
  assert.equal(new Set(classes).size, classes.length)
  const { strokes, width } = places(look(strip(['up', 'down', 'up', 'unknown', 'degraded', 'up'], 'day')))
  assert.deepEqual(strokes.map(([x = 0]) => Math.floor((x / width) * 6)).sort(), [0, 1, 2, 3, 4, 5])
})

test('a half hour with a worse status is higher, and a half hour of unknown status is drawn too', () => {
  const heightOf = (status: Status) => Math.abs(places(look(strip([status], ''))).strokes[0]?.[2] ?? 0)
  const order = (['unknown', 'up', 'degraded', 'down'] as const).map(heightOf)
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  )
  assert.ok((order[0] ?? 0) > 0)
})
