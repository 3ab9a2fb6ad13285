import { rowOf, rowsPerPage } from '../monitor/columns.ts'
import { append, type Bytes, bytesOf, createBytes, release, write, writeDecimal } from './bytes.ts'
import { beginOf, endOf, escapedValue, type Family, headerOf } from './text-format.ts'

/**
 * Numbers in columns, with a row for each slot: what series of the Prometheus format are made of. A line is put together when it is asked
 * for, so that a number may change at hardly any cost, and nothing of a line is kept; its labels are, for as long as a page is under way.
 */
export type Table<Page> = {
  /** Begins a row in a slot that has none. Its numbers are whatever they were in a row that is gone, or in a new page. */
  add(slot: number): void
  /** Ends a row. */
  remove(slot: number): void
  has(slot: number): boolean
  /** The slots of all rows. */
  slots(): Iterable<number>
  /** The page where the numbers of a row are; undefined where none of its rows is. */
  pageOf(slot: number): Page | undefined
  /**
   * Families one after the other: HELP and TYPE, then the lines of all rows or of those that are wanted, in pieces that end where a line
   * does. Each holds until the next is asked for, which writes over it. A row that is removed meanwhile is told of no longer. One that is
   * added is not told of yet: it may be of something that was told of in another slot.
   */
  pieces(families: readonly Family<Page>[], isWanted: ((slot: number) => boolean) | null): Iterable<Buffer>
}

/** Some thousand rows, and which of them there are. */
type Section<Page> = { readonly page: Page; readonly isRow: Uint8Array; rows: number }

/** The labels of a section's rows, one after the other, and where those of each row end. */
type LabelTexts = { readonly bytes: Bytes; readonly ends: Uint32Array }

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
  /** For each page that is under way, the slots of rows that were added since it began. */
  const underWay = new Set<Set<number>>()

  const placeOf = (slot: number) => Math.floor(slot / rowsPerPage)
  const sectionOf = (slot: number) => sections[placeOf(slot)]

  /** The labels of the rows that are told: to look them up for each family would take as long as all the rest. */
  function layOut({ isRow }: Section<Page>, place: number, isTold: (slot: number) => boolean): LabelTexts {
    const ends = new Uint32Array(rowsPerPage)
    scratch.length = 0
    for (let row = 0; row < rowsPerPage; row++) {
      const slot = place * rowsPerPage + row
      if (isRow[row] === 1 && isTold(slot)) {
        for (const { lead, read } of leads) {
          write(scratch, lead)
          write(scratch, escapedValue(read(slot)))
        }
        write(scratch, '"')
      }
      ends[row] = scratch.length
    }
    const bytes = createBytes(scratch.length)
    append(bytes, scratch)
    return { bytes, ends }
  }

  function* lines(
    piece: Bytes,
    family: Family<Page>,
    isTold: (slot: number) => boolean,
    laidOut: Map<Section<Page>, LabelTexts>,
  ): Iterable<Buffer> {
    write(piece, headerOf(family))
    const { column, none, hasLine, value = asItIs, decimals } = family
    const begin = bytesOf(beginOf(family))
    let end = ''
    let ended = Number.NaN
    for (const [place, section] of sections.entries()) {
      if (section === undefined) continue
      const numbers = column(section.page)
      const { bytes, ends } = laidOut.get(section) ?? layOut(section, place, isTold)
      laidOut.set(section, { bytes, ends })
      for (let row = 0; row < rowsPerPage; row++) {
        const slot = place * rowsPerPage + row
        if (section.isRow[row] === 0 || !isTold(slot)) continue
        const number = numbers[row] as number
        if (number === none || Number.isNaN(number)) continue
        if (hasLine !== undefined && !hasLine(section.page, row)) continue
        const from = row === 0 ? 0 : (ends[row - 1] as number)
        append(piece, begin)
        append(piece, bytes, from, (ends[row] as number) - from)
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
    }
    yield taken(piece)
  }

  return {
    add(slot) {
      const section = sectionOf(slot) ?? createSection(createPage(placeOf(slot) * rowsPerPage))
      sections[placeOf(slot)] = section
      section.isRow[rowOf(slot)] = 1
      section.rows += 1
      for (const added of underWay) added.add(slot)
    },
    remove(slot) {
      const section = sectionOf(slot)
      if (section?.isRow[rowOf(slot)] !== 1) return
      section.isRow[rowOf(slot)] = 0
      section.rows -= 1
      if (section.rows === 0) sections[placeOf(slot)] = undefined
    },
    has: (slot) => sectionOf(slot)?.isRow[rowOf(slot)] === 1,
    *slots() {
      for (const [place, section] of sections.entries()) {
        if (section === undefined) continue
        for (let row = 0; row < rowsPerPage; row++) if (section.isRow[row] === 1) yield place * rowsPerPage + row
      }
    },
    pageOf: (slot) => sectionOf(slot)?.page,
    *pieces(families, isWanted) {
      const piece = createBytes(pieceLength + lineLength)
      const added = new Set<number>()
      const isTold = (slot: number) => (added.size === 0 || !added.has(slot)) && (isWanted === null || isWanted(slot))
      const laidOut = new Map<Section<Page>, LabelTexts>()
      underWay.add(added)
      try {
        for (const family of families) yield* lines(piece, family, isTold, laidOut)
      } finally {
        for (const { bytes } of laidOut.values()) release(bytes)
        underWay.delete(added)
      }
    },
  }
}

const asItIs = (number: number) => number

function createSection<Page>(page: Page): Section<Page> {
  return { page, isRow: new Uint8Array(rowsPerPage), rows: 0 }
}

/** What a piece holds; it is empty then, and what is appended to it is written over this. */
function taken(piece: Bytes): Buffer {
  const bytes = piece.buffer.subarray(0, piece.length)
  piece.length = 0
  return bytes
}
