import { rowOf, rowsPerPage } from '../monitor/columns.ts'
import type { TimeSlice } from '../time-slices.ts'
import { append, type Bytes, bytesOf, createBytes, release, write, writeDecimal } from './bytes.ts'
import { beginOf, endOf, escapedValue, type Family, headerOf } from './text-format.ts'

/**
 * Numbers in columns, with a row for each slot: what series of the Prometheus format are made of. A line is put together when it is asked
 * for, so that a number may change at hardly any cost, and nothing of a line is kept; its labels are, for as long as a scrape is under way.
 */
export type Table<Page> = {
  /** Begins a row in a slot that has none. Its numbers are whatever they were in a row that is gone, or in a new page. */
  add(slot: number): void
  /** Ends a row. */
  remove(slot: number): void
  has(slot: number): boolean
  /** The slots of the rows that are as is said. Each is looked at when it is asked for: one that is gone by then is not among them. */
  slots(isMeant: (page: Page, row: number) => boolean): Iterable<number>
  /** The page where the numbers of a row are; undefined where none of its rows is. */
  pageOf(slot: number): Page | undefined
  /**
   * Families one after the other: HELP and TYPE, then the lines of all rows or of those that are wanted, in pieces that end where a line
   * does. Each holds until the next is asked for, which writes over it. Which rows are told of is settled before the first line. One that
   * is removed after that is told of no longer. One that is added since the scrape began is not told of yet: it may be of something that
   * was told of in another slot.
   */
  pieces(
    families: readonly Family<Page>[],
    isWanted: ((slot: number) => boolean) | null,
    slice: TimeSlice,
  ): AsyncIterable<Buffer>
  /** Returns how many bytes of labels the last scrape of all rows held while it was under way. */
  labelBytes(): number
}

/** The rows of a page, and which of them there are. */
type Section<Page> = { readonly firstSlot: number; readonly page: Page; readonly isRow: Uint8Array; rows: number }

/** The rows of a section that a scrape tells of: which they are, their labels one after the other, and where those of each end. */
type Told<Page> = {
  readonly section: Section<Page>
  readonly rows: Uint16Array
  readonly labels: Bytes
  readonly ends: Uint32Array
}

/** To lay out the labels of a page of rows, or to write a family of them, is as much work as to look at so many services. */
const workPerPage = rowsPerPage
/** A piece ends with the line that makes it this long, in bytes. */
const pieceLength = 131_072
/** Few lines are longer, in bytes. */
const lineLength = 4096

/**
 * `createPage` makes columns for `rowsPerPage` rows, of which the first is that of the slot it is given; `labels` tell what each label of a
 * slot's row is.
 */
export function createTable<Page>(
  createPage: (firstSlot: number) => Page,
  labels: Readonly<Record<string, (slot: number) => string>>,
): Table<Page> {
  const leads = Object.entries(labels).map(([name, read], at) => ({
    lead: at === 0 ? `${name}="` : `",${name}="`,
    read,
  }))
  /** Those without rows are not there. */
  const sections: (Section<Page> | undefined)[] = []
  /** Where labels are written before it is known how long they are together. */
  const scratch = createBytes(0)
  let labelBytes = 0
  /** For each scrape that is under way, the slots of rows that were added since it began. */
  const underWay = new Set<Set<number>>()

  const indexOf = (slot: number) => Math.floor(slot / rowsPerPage)
  const sectionOf = (slot: number) => sections[indexOf(slot)]

  /** To look the labels up for each family would take as long as all the rest. */
  function layOut(section: Section<Page>, isTold: (slot: number) => boolean): Told<Page> {
    const { firstSlot, isRow } = section
    const rows = new Uint16Array(section.rows)
    const ends = new Uint32Array(section.rows)
    let count = 0
    scratch.length = 0
    for (let row = 0; row < rowsPerPage; row++) {
      const slot = firstSlot + row
      if (isRow[row] === 0 || !isTold(slot)) continue
      for (const { lead, read } of leads) {
        write(scratch, lead)
        write(scratch, escapedValue(read(slot)))
      }
      write(scratch, '"')
      rows[count] = row
      ends[count] = scratch.length
      count++
    }
    const bytes = createBytes(scratch.length)
    append(bytes, scratch)
    return { section, rows: rows.subarray(0, count), labels: bytes, ends }
  }

  /** The lines of a family, with null wherever the loop may yield: after each section. */
  function* lines(
    piece: Bytes,
    family: Family<Page>,
    told: readonly Told<Page>[],
    added: ReadonlySet<number>,
  ): Iterable<Buffer | null> {
    write(piece, headerOf(family))
    const { column, none, hasLine, value = asItIs, decimals } = family
    const begin = bytesOf(beginOf(family))
    let end = ''
    let ended = Number.NaN
    for (const { section, rows, labels, ends } of told) {
      const { firstSlot, page, isRow } = section
      const numbers = column(page)
      for (let at = 0; at < rows.length; at++) {
        const row = rows[at] as number
        if (isRow[row] === 0 || (added.size > 0 && added.has(firstSlot + row))) continue
        const number = numbers[row] as number
        if (number === none || Number.isNaN(number)) continue
        if (hasLine !== undefined && !hasLine(page, row)) continue
        const from = at === 0 ? 0 : (ends[at - 1] as number)
        append(piece, begin)
        append(piece, labels, from, (ends[at] as number) - from)
        if (decimals === undefined) {
          // Most rows say what the one before said.
          if (number !== ended) end = endOf(family, number)
          ended = number
          write(piece, end)
        } else {
          write(piece, '} ')
          writeDecimal(piece, value(number), decimals)
          write(piece, '\n')
        }
        if (piece.length >= pieceLength) yield taken(piece)
      }
      yield null
    }
    if (piece.length > 0) yield taken(piece)
  }

  return {
    add(slot) {
      const section = sectionOf(slot) ?? createSection(indexOf(slot) * rowsPerPage, createPage)
      sections[indexOf(slot)] = section
      section.isRow[rowOf(slot)] = 1
      section.rows += 1
      for (const added of underWay) added.add(slot)
    },
    remove(slot) {
      const section = sectionOf(slot)
      if (section?.isRow[rowOf(slot)] !== 1) return
      section.isRow[rowOf(slot)] = 0
      section.rows -= 1
      if (section.rows === 0) sections[indexOf(slot)] = undefined
    },
    has: (slot) => sectionOf(slot)?.isRow[rowOf(slot)] === 1,
    *slots(isMeant) {
      for (const section of sections) {
        if (section === undefined) continue
        const { firstSlot, page, isRow } = section
        for (let row = 0; row < rowsPerPage; row++) if (isRow[row] === 1 && isMeant(page, row)) yield firstSlot + row
      }
    },
    pageOf: (slot) => sectionOf(slot)?.page,
    async *pieces(families, isWanted, slice) {
      if (families.length === 0) return
      const piece = createBytes(pieceLength + lineLength)
      const added = new Set<number>()
      const isTold = (slot: number) => !added.has(slot) && (isWanted === null || isWanted(slot))
      const told: Told<Page>[] = []
      underWay.add(added)
      try {
        for (const section of sections) {
          // Before a page, since as many as begin in one turn of the event loop would lay out one each.
          if (slice.mustYield(workPerPage)) await slice.yield()
          if (section !== undefined) told.push(layOut(section, isTold))
        }
        if (isWanted === null) labelBytes = told.reduce((sum, { labels }) => sum + labels.length, 0)
        const some = told.filter(({ rows }) => rows.length > 0)
        for (const family of families)
          for (const bytes of lines(piece, family, some, added)) {
            if (bytes !== null) yield bytes
            if (slice.mustYield(workPerPage)) await slice.yield()
          }
      } finally {
        for (const { labels } of told) release(labels)
        underWay.delete(added)
      }
    },
    labelBytes: () => labelBytes,
  }
}

const asItIs = (number: number) => number

function createSection<Page>(firstSlot: number, createPage: (firstSlot: number) => Page): Section<Page> {
  return { firstSlot, page: createPage(firstSlot), isRow: new Uint8Array(rowsPerPage), rows: 0 }
}

/** What a piece holds; it is empty then, and what is appended to it is written over this. */
function taken(piece: Bytes): Buffer {
  const bytes = piece.buffer.subarray(0, piece.length)
  piece.length = 0
  return bytes
}
