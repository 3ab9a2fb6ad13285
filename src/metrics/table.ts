import { type Family, headerOf, writeLabels } from './text-format.ts'

/** One thing that a table has series of: a line in each of its families, or less. */
export type Row = {
  readonly section: Section
  /** Which row of its section it is. */
  readonly index: number
  /** Where its labels would begin, were there nothing else in the section. */
  readonly labelsAt: number
  readonly labelsLength: number
  /** Rows are counted as they are added. */
  readonly born: number
}

/** Some hundred rows, and their lines in each family, one buffer to a family. */
export type Section = {
  readonly buffers: readonly Buffer[]
  readonly rows: Row[]
  /** How many lines of each family have no value. */
  readonly hidden: number[]
  /** When its youngest row was added. */
  youngest: number
  labelsLength: number
  /** How long they may be together. */
  readonly room: number
  live: number
}

/**
 * Series of the same things, as text of the Prometheus format that is laid out once and patched in place: what is written when
 * nothing happens is nothing, and what a scrape does is copy. A line is as wide as its widest value, which stands at its end; one
 * that has no value is marked, and passed over. Numbers are written as JavaScript writes them, as prom-client does.
 */
export type Table = {
  /** Adds a row without values. */
  add(labels: Readonly<Record<string, string>>): Row
  /** Another row of the same length takes its place. */
  remove(row: Row): void
  /** Sets a value, by the place of its family. Null: there is none. */
  set(row: Row, family: number, value: number | null): void
  /** HELP and TYPE of a family, then its lines, in pieces that end where a line does. Each is a copy that holds until the next is asked for. */
  pieces(family: number): Iterable<Buffer>
  /** The lines of these rows alone. */
  piecesOf(family: number, rows: Iterable<Row>): Iterable<Buffer>
}

const rowsPerSection = 512
/** How many bytes a row's labels may be longer than those before. */
const spareLabels = 4
/** A piece of chosen rows is sent when it is this long, in bytes. */
const pieceLength = 65_536
const [space, lineEnd] = [0x20, 0x0a]
/** What a line begins with that has no value; no metric's name does. */
const mark = 0

export function createTable(families: readonly Family[]): Table {
  /** How long a line is apart from its labels. */
  const bare = families.map(({ name, width }) => Buffer.byteLength(name) + width + '{} \n'.length)
  const widths = families.map(({ width }) => width)
  const heads = families.map(({ name }) => Buffer.from(`${name}{`))
  let sections: Section[] = []
  /** Rows that were removed, by the length of their labels. */
  const free = new Map<number, Row[]>()
  const labelled = { rows: 0, bytes: 0 }
  let born = 0

  function addSection(labelsLength: number): Section {
    // What labels were like so far, and a little more: a section that is full before its time costs less than one that never is.
    const room = Math.max(rowsPerSection * (labelled.bytes / labelled.rows + spareLabels), labelsLength)
    const section: Section = {
      buffers: bare.map((length) => Buffer.alloc(rowsPerSection * length + Math.ceil(room))),
      room,
      rows: [],
      hidden: bare.map(() => 0),
      youngest: 0,
      labelsLength: 0,
      live: 0,
    }
    sections.push(section)
    return section
  }

  function takeRow(labelsLength: number): Row {
    born++
    const known = free.get(labelsLength)
    const old = known?.pop()
    if (known?.length === 0) free.delete(labelsLength)
    const row = old === undefined ? placeRow(labelsLength) : { ...old, born }
    row.section.rows[row.index] = row
    row.section.youngest = born
    return row
  }

  /** A row behind all others. */
  function placeRow(labelsLength: number): Row {
    labelled.rows++
    labelled.bytes += labelsLength
    let section = sections.at(-1)
    const isFull =
      section !== undefined &&
      (section.rows.length === rowsPerSection || section.labelsLength + labelsLength > section.room)
    if (section === undefined || isFull) section = addSection(labelsLength)
    const row = { section, index: section.rows.length, labelsAt: section.labelsLength, labelsLength, born }
    section.labelsLength += labelsLength
    for (const family of families.keys()) hide(row, family, true)
    return row
  }

  const beginOf = ({ index, labelsAt }: Row, family: number) => index * (bare[family] as number) + labelsAt
  const lengthOf = ({ labelsLength }: Row, family: number) => (bare[family] as number) + labelsLength
  const bufferOf = ({ section }: Row, family: number) => section.buffers[family] as Buffer
  const isHidden = (row: Row, family: number) => bufferOf(row, family)[beginOf(row, family)] === mark
  const lineOf = (row: Row, family: number) => {
    const begin = beginOf(row, family)
    return bufferOf(row, family).subarray(begin, begin + lengthOf(row, family))
  }

  function hide(row: Row, family: number, isNew = false): void {
    if (!isNew && isHidden(row, family)) return
    bufferOf(row, family)[beginOf(row, family)] = mark
    row.section.hidden[family] = (row.section.hidden[family] as number) + 1
  }

  function show(row: Row, family: number): void {
    if (!isHidden(row, family)) return
    bufferOf(row, family)[beginOf(row, family)] = (heads[family] as Buffer)[0] as number
    row.section.hidden[family] = (row.section.hidden[family] as number) - 1
  }

  /** Lines end to end, in pieces: of rows that are still there, and were when the page began, or one that moves would be told twice. */
  function* gather(family: number, rows: Iterable<Row>, since: number): Iterable<Buffer> {
    const piece = Buffer.allocUnsafe(pieceLength)
    let length = 0
    for (const row of rows) {
      if (row.born > since || row.section.rows[row.index] !== row || isHidden(row, family)) continue
      if (length + lengthOf(row, family) > pieceLength) {
        yield piece.subarray(0, length)
        length = 0
      }
      length += lineOf(row, family).copy(piece, length)
    }
    if (length > 0) yield piece.subarray(0, length)
  }

  return {
    add(labels) {
      const text = Buffer.from(writeLabels(labels))
      const row = takeRow(text.length)
      row.section.live++
      for (const [family, head] of heads.entries()) {
        const buffer = bufferOf(row, family)
        const begin = beginOf(row, family)
        const end = begin + lengthOf(row, family)
        buffer.fill(space, begin + 1, end)
        head.copy(buffer, begin + 1, 1)
        text.copy(buffer, begin + head.length)
        buffer.write('}', begin + head.length + text.length)
        buffer[end - 1] = lineEnd
      }
      return row
    },
    remove(row) {
      const { section } = row
      section.live--
      for (const family of families.keys()) hide(row, family)
      if (section.live === 0 && section !== sections.at(-1)) {
        sections = sections.filter((one) => one !== section)
        for (const [length, rows] of free) {
          const left = rows.filter((one) => one.section !== section)
          if (left.length === 0) free.delete(length)
          else free.set(length, left)
        }
        return
      }
      const known = free.get(row.labelsLength)
      if (known === undefined) free.set(row.labelsLength, [row])
      else known.push(row)
    },
    set(row, family, value) {
      if (value === null) {
        hide(row, family)
        return
      }
      show(row, family)
      const text = String(value)
      const buffer = bufferOf(row, family)
      const end = beginOf(row, family) + lengthOf(row, family) - 1
      const begin = end - text.length
      // Byte by byte: so few are not worth a call into the runtime.
      for (let at = end - (widths[family] as number); at < begin; at++) buffer[at] = space
      for (let at = begin; at < end; at++) buffer[at] = text.charCodeAt(at - begin)
    },
    *pieces(family) {
      yield headerOf(families[family] as Family)
      const since = born
      let piece = Buffer.alloc(0)
      for (const { buffers, rows, hidden, labelsLength, youngest } of [...sections]) {
        const length = rows.length * (bare[family] as number) + labelsLength
        if (hidden[family] !== 0 || youngest > since) {
          yield* gather(family, rows, since)
          continue
        }
        // New memory for each would be 90 MB of garbage in a scrape of 100,000 targets.
        if (piece.length < length) piece = Buffer.allocUnsafeSlow(length)
        buffers[family]?.copy(piece, 0, 0, length)
        yield piece.subarray(0, length)
      }
    },
    *piecesOf(family, rows) {
      yield headerOf(families[family] as Family)
      yield* gather(family, rows, Number.POSITIVE_INFINITY)
    },
  }
}
