import assert from 'node:assert/strict'
import { parse } from 'node:querystring'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReportedStatus } from '../../../src/domain/health/status.ts'
import { groupQuery, OverviewQuery, queryForMore, writeQuery } from '../../../src/page/overview/page-query.ts'

/** Reads a query as the server does: a parameter that is there once is a text, otherwise a list. */
const read = (query: string) => OverviewQuery.parse({ ...parse(query.replace(/^\?/, '')) })
const problems = (query: string) =>
  OverviewQuery.safeParse({ ...parse(query) }).error?.issues.map(({ message }) => message) ?? []

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('&', '=', '+', '%', '?', '#', ' ', '[]', ',', 'a', '%41', '__proto__', 'é') }),
)
const anyQuery: fc.Arbitrary<OverviewQuery> = fc.record(
  {
    q: text,
    status: fc.uniqueArray(fc.constantFrom(...ReportedStatus.options)).map((all) => new Set(all)),
    group: fc.uniqueArray(text, { maxLength: 4 }).map((all) => new Set(all)),
    show: fc.oneof(fc.constant(50), fc.integer({ min: 1, max: 3200 })),
  },
  { requiredKeys: ['show'] },
)

/** Normalises a query: all five statuses select the same services as none. */
function asked({ q = '', status = new Set(), group = new Set(), show }: OverviewQuery) {
  return {
    q,
    status: status.size < ReportedStatus.options.length ? status : new Set(),
    group,
    show,
  }
}

test('a query that is written is read back as the same query', () => {
  fc.assert(
    fc.property(anyQuery, (query) => {
      assert.deepEqual(asked(read(writeQuery(query))), asked(query))
      assert.equal(writeQuery(read(writeQuery(query))), writeQuery(query))
    }),
  )
})

test('a query with default values is written as nothing', () => {
  for (const query of ['', 'q=', 'show=50', ReportedStatus.options.map((status) => `status=${status}`).join('&')])
    assert.equal(writeQuery(read(query)), '', query)
})

test('the link to more shows twice as many services of the same query, up to the maximum of a page', () => {
  fc.assert(
    fc.property(anyQuery, (query) => {
      const next = queryForMore(query)
      assert.equal(next === null, query.show >= 3200)
      if (next === null) return
      const more = read(writeQuery(next))
      assert.deepEqual(asked({ ...more, show: query.show }), asked(query))
      assert.equal(more.show, Math.min(2 * query.show, 3200))
    }),
  )
})

test('a link to a group selects this group alone, whatever its name', () => {
  fc.assert(
    fc.property(text, (name) => {
      assert.deepEqual(asked(read(groupQuery(name))), { q: '', status: new Set(), group: new Set([name]), show: 50 })
    }),
  )
})

test('unknown parameters are ignored', () => {
  assert.deepEqual(read('utm_source=mail&q=pg&__proto__=x&toString=y&status[]=down'), { q: 'pg', show: 50 })
})

test('every mistake in a query has a message of one sentence', () => {
  for (const [query, message] of [
    ['status=dwon', /^"dwon" is not a status: write up, degraded, down, unknown, draining$/],
    ['status=up&status=', /^"" is not a status: write /],
    ['show=many', /^show .*: write a number from 1 to 3200$/],
    ['show=0', /^show .*: write a number from 1 to 3200$/],
    ['show=1.5', /^show .*: write a number from 1 to 3200$/],
    ['show=', /^show .*: write a number from 1 to 3200$/],
    ['show=3201', /^show.* is at most 3200$/],
    ['show=50&show=50', /given more than once/],
    ['q=a&q=b', /given more than once/],
  ] as const) {
    const [problem = 'nothing', ...others] = problems(query)
    assert.match(problem, message, query)
    assert.deepEqual(others, [], query)
  }
})
