import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTable } from '../../src/metrics/table.ts'
import type { Family } from '../../src/metrics/text-format.ts'
import { rowOf, rowsPerChunk } from '../../src/monitor/state/columns.ts'
import { createTimeSlices } from '../../src/runtime/time-slices.ts'
import { readPage } from './page.ts'

type Page = { readonly checks: Float64Array }

const checks: Family<Page> = {
  name: 'porthole_target_checks_total',
  type: 'counter',
  help: 'Checks.',
  column: (page) => page.checks,
  none: -1,
}

const slices = createTimeSlices()

function createSample() {
  const names: string[] = []
  const table = createTable<Page>(() => ({ checks: new Float64Array(rowsPerChunk) }), {
    target: (slot) => names[slot] ?? '',
  })
  return {
    ...table,
    put(slot: number, target: string, number = slot) {
      names[slot] = target
      table.add(slot)
      const page = table.chunkOf(slot)
      assert(page !== undefined)
      page.checks[rowOf(slot)] = number
    },
    /** Returns pairs of a target and its value. */
    async read(isWanted: ((slot: number) => boolean) | null = null) {
      let page = ''
      for await (const chunk of table.renderChunks([checks], isWanted, slices.begin())) page += chunk.toString()
      return [...readPage(page)].map(([series, value]) => [/target="(.*)"/.exec(series)?.[1], value])
    },
  }
}

test('a row without a number has no line, and other numbers are written exactly', async () => {
  const { put, read } = createSample()
  put(0, 'none', -1)
  put(1, 'not a number', Number.NaN)
  put(2, 'big', 2 ** 53)
  put(3, 'small', 1.5e-9)
  assert.deepEqual(await read(), [
    ['big', 2 ** 53],
    ['small', 1.5e-9],
  ])
  assert.deepEqual(await read((slot) => slot === 3), [['small', 1.5e-9]])
})

test('slots are used again by rows with longer and shorter labels', async () => {
  const { remove, put, read, chunkOf } = createSample()
  let expected: (string | number)[][] = []
  for (const [round, length] of [3, 40, 1, 300, 300, 7].entries()) {
    // Every third row stays.
    for (let slot = 0; slot < 3000; slot++) if (round > 0 && slot % 3 !== 0) remove(slot)
    for (let slot = 0; slot < 3000; slot++)
      if (round === 0 || slot % 3 !== 0) put(slot, `${'é'.repeat(length)}${slot}`, round)
    const kept = expected.filter((_, slot) => slot % 3 === 0)
    expected = Array.from({ length: 3000 }, (_, slot) => {
      return (round > 0 && slot % 3 === 0 && kept[slot / 3]) || [`${'é'.repeat(length)}${slot}`, round]
    })
    assert.deepEqual(await read(), expected)
  }
  for (let slot = 0; slot < 3000; slot++) remove(slot)
  assert.deepEqual(await read(), [])
  assert.equal(chunkOf(0), undefined, 'a chunk without rows is dropped')
})

test('a page has no row that was added since it began, not even in the slot of a removed row', async () => {
  const { renderChunks, put, remove } = createSample()
  for (let slot = 0; slot < 10_000; slot++) put(slot, `first-${slot}`)
  let page = ''
  for await (const chunk of renderChunks([checks, checks], null, slices.begin())) {
    page += chunk.toString()
    for (const slot of [0, 9998, 9999]) {
      remove(slot)
      put(slot, 'first-5000')
    }
    put(10_000 + page.length, 'other')
  }
  assert.doesNotMatch(page, /other|first-9999/)
  assert.equal(page.match(/"first-5000"/g)?.length, 2)
  assert.equal(page.match(/"first-0"/g)?.length, 1, 'the row existed when the first family was written')
})

test('a page has the rows that were wanted before its first line', async () => {
  const { renderChunks, put, remove } = createSample()
  const rows = 2 * rowsPerChunk
  for (let slot = 0; slot < rows; slot++) put(slot, `${slot}`)
  const wanted = new Set([1, 2, 3, rowsPerChunk + 1])
  let page = ''
  for await (const chunk of renderChunks([checks, checks, checks], (slot) => wanted.has(slot), slices.begin())) {
    page += chunk.toString()
    wanted.delete(1)
    for (const slot of [0, 4, rowsPerChunk, rows - 1]) wanted.add(slot)
    remove(2)
    put(2, 'another', 7)
    remove(rowsPerChunk + 1)
  }
  const told = (slot: number) => `porthole_target_checks_total{target="${slot}"} ${slot}\n`
  const header = '# HELP porthole_target_checks_total Checks.\n# TYPE porthole_target_checks_total counter\n'
  const later = header + told(1) + told(3)
  assert.equal(page, header + told(1) + told(2) + told(3) + told(rowsPerChunk + 1) + later + later)
})

test('a line that fills a chunk is its last, and no empty chunk follows', async () => {
  const { renderChunks, put } = createSample()
  put(0, 'x'.repeat(200_000))
  const lengths: number[] = []
  for await (const chunk of renderChunks([checks, checks], null, slices.begin())) lengths.push(chunk.length)
  assert.deepEqual(
    lengths.map((length) => length > 200_000),
    [true, true],
  )
})
