import { rowOf, rowsPerChunk } from '../monitor/state/columns.ts'
import type { TimeSlice } from '../runtime/time-slices.ts'
import { append, type Bytes, bytesOf, createBytes, release, write, writeDecimal } from './bytes.ts'
import { beginOf, endOf, escapedValue, type Family, headerOf } from './text-format.ts'

/**
 * A table of numbers in columns, with a row for each slot, from which series of the Prometheus text format are written. A scrape
 * assembles the lines, so changing a number is cheap. No line is cached; the labels are cached while a scrape is under way.
 */
export type Table<Chunk> = {
  /** Adds a row in a slot that has none. The caller must set its numbers, because they may be those of a removed row. */
  add(slot: number): void
  /** Removes a row. */
  remove(slot: number): void
  has(slot: number): boolean
  /** Iterates over the slots of the rows that match. Tests each row when the next slot is requested, so removed rows are left out. */
  slots(matches: (chunk: Chunk, row: number) => boolean): Iterable<number>
  /** Returns the column chunk of a slot; undefined where the chunk has no rows. */
  chunkOf(slot: number): Chunk | undefined
  /**
   * Yields families one after the other: HELP and TYPE, then the lines of all rows or of the wanted ones. Chunks of output end with a
   * line. A chunk is valid until the next one is requested, because both share one buffer. The rows are selected before the first line.
   * A row that is removed later gets no further lines. A row that was added since the scrape began gets none, because it may be
   * for something that had lines in another slot already.
   */
  renderChunks(
    families: readonly Family<Chunk>[],
    isWanted: ((slot: number) => boolean) | null,
    slice: TimeSlice,
  ): AsyncIterable<Buffer>
  /** Returns how many bytes of labels the last scrape of all rows held while it was under way. */
  labelBytes(): number
}

/** A column chunk, which of its rows exist, and their number. */
type Section<Chunk> = { readonly firstSlot: number; readonly chunk: Chunk; readonly isRow: Uint8Array; rows: number }

/** The rows of a section that a scrape writes. `labels` holds the labels of all rows, and `ends` where the labels of each row end. */
type SelectedRows<Chunk> = {
  readonly section: Section<Chunk>
  readonly rows: Uint16Array
  readonly labels: Bytes
  readonly ends: Uint32Array
}

/** The work of building the labels of a column chunk, or of writing one family of it, where looking at a service is 1. */
const workPerChunk = rowsPerChunk
/** A chunk of output ends with the line that makes it at least this long, in bytes. */
const outputLength = 131_072
/** Room for the last line of a chunk, in bytes. Longer lines are rare, and make the buffer grow. */
const lineLength = 4096

/**
 * Creates a table. `createPage` makes a column chunk of 2,048 rows that begins with the given slot. `labels` returns the value of each
 * label for a slot.
 */
export function createTable<Chunk>(
  createChunk: (firstSlot: number) => Chunk,
  labels: Readonly<Record<string, (slot: number) => string>>,
): Table<Chunk> {
  const leads = Object.entries(labels).map(([name, read], at) => ({
    lead: at === 0 ? `${name}="` : `",${name}="`,
    read,
  }))
  /** Sections without rows are undefined. */
  const sections: (Section<Chunk> | undefined)[] = []
  /** A buffer for labels, which are copied to memory of the exact size once their length is known. */
  const scratch = createBytes(0)
  let labelBytes = 0
  /** For each scrape under way, the slots of the rows added since it began. */
  const underWay = new Set<Set<number>>()

  const indexOf = (slot: number) => Math.floor(slot / rowsPerChunk)
  const sectionOf = (slot: number) => sections[indexOf(slot)]

  /** Builds the labels of a section once for all families. Looking them up for each family would double the time of a scrape. */
  function layOut(section: Section<Chunk>, isSelected: (slot: number) => boolean): SelectedRows<Chunk> {
    const { firstSlot, isRow } = section
    const rows = new Uint16Array(section.rows)
    const ends = new Uint32Array(section.rows)
    let count = 0
    scratch.length = 0
    for (let row = 0; row < rowsPerChunk; row++) {
      const slot = firstSlot + row
      if (isRow[row] === 0 || !isSelected(slot)) continue
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

  /** Yields full chunks with the lines of a family, and null after each section, where the caller may yield to the event loop. */
  function* lines(
    output: Bytes,
    family: Family<Chunk>,
    selected: readonly SelectedRows<Chunk>[],
    added: ReadonlySet<number>,
  ): Iterable<Buffer | null> {
    write(output, headerOf(family))
    const { column, none, hasLine, value = asItIs, decimals } = family
    const begin = bytesOf(beginOf(family))
    let end = ''
    let ended = Number.NaN
    for (const { section, rows, labels, ends } of selected) {
      const { firstSlot, chunk, isRow } = section
      const numbers = column(chunk)
      for (let at = 0; at < rows.length; at++) {
        const row = rows[at] as number
        if (isRow[row] === 0 || (added.size > 0 && added.has(firstSlot + row))) continue
        const number = numbers[row] as number
        if (number === none || Number.isNaN(number)) continue
        if (hasLine !== undefined && !hasLine(chunk, row)) continue
        const from = at === 0 ? 0 : (ends[at - 1] as number)
        append(output, begin)
        append(output, labels, from, (ends[at] as number) - from)
        if (decimals === undefined) {
          // Most rows have the same number as the row before, so the end of the line is reused.
          if (number !== ended) end = endOf(family, number)
          ended = number
          write(output, end)
        } else {
          write(output, '} ')
          writeDecimal(output, value(number), decimals)
          write(output, '\n')
        }
        if (output.length >= outputLength) yield taken(output)
      }
      yield null
    }
    if (output.length > 0) yield taken(output)
  }

  return {
    add(slot) {
      const section = sectionOf(slot) ?? createSection(indexOf(slot) * rowsPerChunk, createChunk)
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
    *slots(matches) {
      for (const section of sections) {
        if (section === undefined) continue
        const { firstSlot, chunk, isRow } = section
        for (let row = 0; row < rowsPerChunk; row++) if (isRow[row] === 1 && matches(chunk, row)) yield firstSlot + row
      }
    },
    chunkOf: (slot) => sectionOf(slot)?.chunk,
    async *renderChunks(families, isWanted, slice) {
      if (families.length === 0) return
      const output = createBytes(outputLength + lineLength)
      const added = new Set<number>()
      const isSelected = (slot: number) => !added.has(slot) && (isWanted === null || isWanted(slot))
      const selected: SelectedRows<Chunk>[] = []
      underWay.add(added)
      try {
        for (const section of sections) {
          // Yields before building labels. Otherwise each scrape that begins in one turn of the event loop would build a chunk in that turn.
          if (slice.mustYield(workPerChunk)) await slice.yield()
          if (section !== undefined) selected.push(layOut(section, isSelected))
        }
        if (isWanted === null) labelBytes = selected.reduce((sum, { labels }) => sum + labels.length, 0)
        const nonEmpty = selected.filter(({ rows }) => rows.length > 0)
        for (const family of families)
          for (const bytes of lines(output, family, nonEmpty, added)) {
            if (bytes !== null) yield bytes
            if (slice.mustYield(workPerChunk)) await slice.yield()
          }
      } finally {
        for (const { labels } of selected) release(labels)
        underWay.delete(added)
      }
    },
    labelBytes: () => labelBytes,
  }
}

const asItIs = (number: number) => number

function createSection<Chunk>(firstSlot: number, createChunk: (firstSlot: number) => Chunk): Section<Chunk> {
  return { firstSlot, chunk: createChunk(firstSlot), isRow: new Uint8Array(rowsPerChunk), rows: 0 }
}

/** Returns the content of a chunk and empties it. The next append overwrites the returned bytes. */
function taken(output: Bytes): Buffer {
  const bytes = output.buffer.subarray(0, output.length)
  output.length = 0
  return bytes
}
