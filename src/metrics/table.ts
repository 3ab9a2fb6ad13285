import { rowOf, rowsPerPage } from '../monitor/columns.ts'
import { append, type Bytes, bytesOf, createBytes, hasRoom, write, writeDecimal } from './bytes.ts'
import { beginOf, endOf, type Family, headerOf, type Labels, writeLabels } from './text-format.ts'

/**
 * Numbers in columns, with a row for each slot, and the labels of each row: what series of the Prometheus format are made of. A line is
 * put together when it is asked for, so that a number may change at hardly any cost, and no line is kept.
 */
export type Table<Page> = {
  /** Begins a row in a slot that has none. Its numbers are whatever they were in a row that is gone, or in a new page. */
  add(slot: number, labels: Labels): void
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

/** Some hundred rows. */
type Section<Page> = {
  readonly page: Page
  /** The labels of the rows as they came, and of those that are gone until the room is needed. */
  labels: Bytes
  /** Where the labels of each row begin, and how long they are: 0 where there is no row. */
  readonly begins: Uint32Array
  readonly lengths: Uint32Array
  /** How long they are together. */
  labelsLength: number
}

/** Room for so many rows more than there can be: those that come later may have longer labels, and some room is lost to those that are gone. */
const spareRows = 64
/** A piece ends with the line that makes it this long, in bytes. */
const pieceLength = 131_072
/** Few lines are longer, in bytes. */
const lineLength = 4096

/** `createPage` makes columns for `rowsPerPage` rows, of which the first is that of the slot it is given. */
export function createTable<Page>(createPage: (firstSlot: number) => Page): Table<Page> {
  /** Those without rows are not there. */
  const sections: (Section<Page> | undefined)[] = []
  /** For each page that is under way, the slots of rows that were added since it began. */
  const underWay = new Set<Set<number>>()

  const placeOf = (slot: number) => Math.floor(slot / rowsPerPage)
  const sectionOf = (slot: number) => sections[placeOf(slot)]

  function* lines(piece: Bytes, family: Family<Page>, isTold: (slot: number) => boolean): Iterable<Buffer> {
    write(piece, headerOf(family))
    const { column, none, hasLine, value = asItIs, decimals } = family
    const begin = bytesOf(beginOf(family))
    let end = ''
    let ended = Number.NaN
    for (const [place, section] of sections.entries()) {
      if (section === undefined) continue
      const numbers = column(section.page)
      for (let row = 0; row < rowsPerPage; row++) {
        const slot = place * rowsPerPage + row
        if (section.lengths[row] === 0 || !isTold(slot)) continue
        const number = numbers[row] as number
        if (number === none || Number.isNaN(number)) continue
        if (hasLine !== undefined && !hasLine(section.page, row)) continue
        append(piece, begin)
        append(piece, section.labels, section.begins[row], section.lengths[row])
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
    add(slot, labels) {
      const section = sectionOf(slot) ?? createSection(createPage(placeOf(slot) * rowsPerPage))
      sections[placeOf(slot)] = section
      const text = bytesOf(writeLabels(labels))
      if (!hasRoom(section.labels, text.length)) makeRoom(section, text.length)
      section.begins[rowOf(slot)] = section.labels.length
      section.lengths[rowOf(slot)] = text.length
      section.labelsLength += text.length
      append(section.labels, text)
      for (const added of underWay) added.add(slot)
    },
    remove(slot) {
      const section = sectionOf(slot)
      if (section === undefined) return
      section.labelsLength -= section.lengths[rowOf(slot)] as number
      section.lengths[rowOf(slot)] = 0
      if (section.labelsLength === 0) sections[placeOf(slot)] = undefined
    },
    has: (slot) => (sectionOf(slot)?.lengths[rowOf(slot)] ?? 0) > 0,
    *slots() {
      for (const [place, section] of sections.entries()) {
        if (section === undefined) continue
        for (let row = 0; row < rowsPerPage; row++) if (section.lengths[row] !== 0) yield place * rowsPerPage + row
      }
    },
    pageOf: (slot) => sectionOf(slot)?.page,
    *pieces(families, isWanted) {
      const piece = createBytes(pieceLength + lineLength)
      const added = new Set<number>()
      const isTold = (slot: number) => !added.has(slot) && (isWanted === null || isWanted(slot))
      underWay.add(added)
      try {
        for (const family of families) yield* lines(piece, family, isTold)
      } finally {
        underWay.delete(added)
      }
    },
  }
}

const asItIs = (number: number) => number

function createSection<Page>(page: Page): Section<Page> {
  return {
    page,
    labels: createBytes(0),
    begins: new Uint32Array(rowsPerPage),
    lengths: new Uint32Array(rowsPerPage),
    labelsLength: 0,
  }
}

/** What a piece holds; it is empty then, and what is appended to it is written over this. */
function taken(piece: Bytes): Buffer {
  const bytes = piece.buffer.subarray(0, piece.length)
  piece.length = 0
  return bytes
}

/**
 * Moves the labels of all rows to where there is room for `more` bytes, and leaves those of rows that are gone behind: for as many rows
 * again as there are, or for all that a page may have, of labels as long as these.
 */
function makeRoom(section: Section<unknown>, more: number): void {
  const { labels, begins, lengths } = section
  const rows = 1 + lengths.reduce((count, length) => (length > 0 ? count + 1 : count), 0)
  const perRow = (section.labelsLength + more) / rows
  section.labels = createBytes(Math.ceil(perRow * Math.min(2 * rows, rowsPerPage + spareRows)))
  for (const [row, begin] of begins.entries()) {
    begins[row] = section.labels.length
    append(section.labels, labels, begin, lengths[row])
  }
}
