import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTable } from '../../src/metrics/table.ts'
import type { Family } from '../../src/metrics/text-format.ts'
import { rowOf, rowsPerPage } from '../../src/monitor/columns.ts'
import { readPage } from './page.ts'

type Page = { readonly checks: Float64Array }

const checks: Family<Page> = {
  name: 'porthole_target_checks_total',
  type: 'counter',
  help: 'Checks.',
  column: (page) => page.checks,
  none: -1,
}

function createSample() {
  const names: string[] = []
  const table = createTable<Page>(() => ({ checks: new Float64Array(rowsPerPage) }), {
    target: (slot) => names[slot] ?? '',
  })
  return {
    ...table,
    put(slot: number, target: string, number = slot) {
      names[slot] = target
      table.add(slot)
      const page = table.pageOf(slot)
      assert(page !== undefined)
      page.checks[rowOf(slot)] = number
    },
    /** Values by target. */
    read(isWanted: ((slot: number) => boolean) | null = null) {
      let page = ''
      for (const piece of table.pieces([checks], isWanted)) page += piece.toString()
      return [...readPage(page)].map(([series, value]) => [/target="(.*)"/.exec(series)?.[1], value])
    },
  }
}

test('a row without a number has no line, and a number is told as it is', () => {
  const { put, read } = createSample()
  put(0, 'none', -1)
  put(1, 'not a number', Number.NaN)
  put(2, 'big', 2 ** 53)
  put(3, 'small', 1.5e-9)
  assert.deepEqual(read(), [
    ['big', 2 ** 53],
    ['small', 1.5e-9],
  ])
  assert.deepEqual(
    read((slot) => slot === 3),
    [['small', 1.5e-9]],
  )
})

test('slots are used again by rows with longer and shorter labels', () => {
  const { remove, put, read, pageOf } = createSample()
  let expected: (string | number)[][] = []
  for (const [round, length] of [3, 40, 1, 300, 300, 7].entries()) {
    // Every third stays.
    for (let slot = 0; slot < 3000; slot++) if (round > 0 && slot % 3 !== 0) remove(slot)
    for (let slot = 0; slot < 3000; slot++)
      if (round === 0 || slot % 3 !== 0) put(slot, `${'é'.repeat(length)}${slot}`, round)
    const kept = expected.filter((_, slot) => slot % 3 === 0)
    expected = Array.from({ length: 3000 }, (_, slot) => {
      return (round > 0 && slot % 3 === 0 && kept[slot / 3]) || [`${'é'.repeat(length)}${slot}`, round]
    })
    assert.deepEqual(read(), expected)
  }
  for (let slot = 0; slot < 3000; slot++) remove(slot)
  assert.deepEqual(read(), [])
  assert.equal(pageOf(0), undefined, 'pages without rows are not kept')
})

test('a page tells of no row that was added since it began, not even in the slot of one that is gone', () => {
  const { pieces, put, remove } = createSample()
  for (let slot = 0; slot < 10_000; slot++) put(slot, `first-${slot}`)
  let page = ''
  for (const piece of pieces([checks, checks], null)) {
    page += piece.toString()
    for (const slot of [0, 9998, 9999]) {
      remove(slot)
      put(slot, 'first-5000')
    }
    put(10_000 + page.length, 'other')
  }
  assert.doesNotMatch(page, /other|first-9999/)
  assert.equal(page.match(/"first-5000"/g)?.length, 2)
  assert.equal(page.match(/"first-0"/g)?.length, 1, 'it was there when the first of the families was told')
})
