import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { noReportedCounts, type ReportedCounts } from '../../../src/domain/health/status.ts'
import { formatAge, formatLatency, headlineOf, titleOf, worstOf } from '../../../src/page/parts/format.ts'

const told: [counts: Partial<ReportedCounts>, headline: string, title: string, worst: string][] = [
  [{}, 'No services yet', 'All up', 'up'],
  [{ up: 1 }, 'The one service is up', 'All up', 'up'],
  [{ up: 12 }, 'All 12 services up', 'All up', 'up'],
  [{ down: 1 }, '1 of 1 service down', '1 down', 'down'],
  [{ unknown: 1 }, '1 of 1 service unknown', '1 unknown', 'unknown'],
  [{ up: 2, down: 1 }, '1 of 3 services down', '1 down', 'down'],
  [{ up: 2, degraded: 1 }, '1 of 3 services degraded', '1 degraded', 'degraded'],
  [{ up: 2, unknown: 3 }, '3 of 5 services unknown', '3 unknown', 'unknown'],
  [{ degraded: 1, unknown: 1 }, '1 of 2 services unknown, 1 degraded', '1 unknown', 'unknown'],
  [
    { up: 9, down: 2, unknown: 1, degraded: 1, draining: 1 },
    '2 of 14 services down, 1 unknown, 1 degraded, 1 draining',
    '2 down',
    'down',
  ],
  [{ degraded: 1, draining: 1 }, '1 of 2 services degraded, 1 draining', '1 degraded', 'degraded'],
  // A drain is planned. The drained service is no fault, and it is not up either.
  [{ up: 2, draining: 1 }, '2 of 3 services up, 1 draining', '1 draining', 'up'],
  [{ draining: 1 }, '0 of 1 service up, 1 draining', '1 draining', 'up'],
]

test('the headline, the title and the worst status name the statuses, the worst first', () => {
  for (const [counts, ...expected] of told) {
    const all = { ...noReportedCounts(), ...counts }
    assert.deepEqual([headlineOf(all), titleOf(all), worstOf(all)], expected, JSON.stringify(counts))
  }
})

test('the headline and the title say that all services are up exactly when they are', () => {
  const count = fc.nat(3)
  const counts = fc.record({ up: fc.nat(3), degraded: count, down: count, unknown: count, draining: count })
  fc.assert(
    fc.property(counts, (counts) => {
      const isUp = Object.entries(counts).every(([status, count]) => status === 'up' || count === 0)
      assert.equal(titleOf(counts) === 'All up', isUp)
      assert.equal(/^(All|The one|No)\b/.test(headlineOf(counts)), isUp)
    }),
  )
})

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const ages: [ms: number, text: string][] = [
  [0, '0 s'],
  [1, '0 s'],
  [999.9, '0 s'],
  [second, '1 s'],
  [59_999.9, '59 s'],
  [minute, '1 min'],
  [2 * minute - 1, '1 min'],
  [hour - 1, '59 min'],
  [hour, '1 h'],
  [day - 1, '23 h'],
  [day, '1 d'],
  [400 * day, '400 d'],
]

test('an age is in one unit, and is rounded down', () => {
  for (const [ms, text] of ages) assert.equal(formatAge(ms), text, String(ms))
})

test('the script of the page formats ages like the server', async () => {
  const page = readFileSync(new URL('../../../src/page/browser/page.js', import.meta.url), 'utf8')
  const [source] = /^const units = .*?^function formatAge.*?^}$/ms.exec(page) ?? assert.fail('page.js has no formatAge')
  const browser = await import(`data:text/javascript,${encodeURIComponent(`${source}\nexport { formatAge }`)}`)
  for (const [ms, text] of ages) assert.equal(browser.formatAge(ms), text, String(ms))
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (ms) => {
      assert.equal(browser.formatAge(ms), formatAge(ms))
    }),
  )
})

test('a latency has about three significant digits', () => {
  for (const [ms, text] of [
    [0, '0.00 ms'],
    [0.084, '0.08 ms'],
    [1.5, '1.50 ms'],
    [9.99, '9.99 ms'],
    [10, '10.0 ms'],
    [12.34, '12.3 ms'],
    [99.9, '99.9 ms'],
    [100, '100 ms'],
    [999, '999 ms'],
    [1000, '1.0 s'],
    [1021, '1.0 s'],
    [12_345, '12.3 s'],
  ] as const) {
    assert.equal(formatLatency(ms), text, String(ms))
  }
})
