import type { MetricFamily } from '../domain/metric-family.ts'

/** One metric of a table. */
export type Family = {
  readonly name: MetricFamily
  readonly help: string
  readonly type: 'gauge' | 'counter'
  /** How many characters a value may take: 1 for a bit, 16 for a count, 24 for any number. */
  readonly width: number
}

/** One thing that a table has series of: a line in each of its families, or less. */
export type Row = {
  readonly section: Section
  /** Which row of its section it is. */
  readonly index: number
  /** Where its labels would begin, were there nothing else in the section. */
  readonly labelsAt: number
  readonly labelsLength: number
}

/** Some hundred rows, and their lines in each family, one buffer to a family. */
export type Section = { readonly buffers: readonly Buffer[]; rows: number; labelsLength: number; live: number }

/**
 * Series of the same things, as text of the Prometheus format that is laid out once and patched in place: what is written when
 * nothing happens is nothing, and what a scrape does is copy. A line is as wide as its widest value, which stands at its end; one
 * that has no value is a comment. Numbers are written as JavaScript writes them, as prom-client does.
 */
export type Table = {
  /** Adds a row without values. */
  add(labels: Readonly<Record<string, string>>): Row
  /** Its lines are blank from then on, until another row of the same length comes. */
  remove(row: Row): void
  /** Sets a value, by the place of its family. Null: there is none. */
  set(row: Row, family: number, value: number | null): void
  /** HELP and TYPE of a family, then its lines, in pieces that end where a line does. Each is a copy. */
  pieces(family: number): Iterable<Buffer>
  /** The lines of these rows alone. */
  piecesOf(family: number, rows: Iterable<Row>): Iterable<Buffer>
}

const rowsPerSection = 512
/** A piece of chosen rows is sent when it is this long, in bytes. */
const pieceLength = 65_536
const [hash, space, lineEnd] = [0x23, 0x20, 0x0a]

export function createTable(families: readonly Family[]): Table {
  /** How long a line is apart from its labels. */
  const bare = families.map(({ name, width }) => Buffer.byteLength(name) + width + '{} \n'.length)
  const heads = families.map(({ name }) => Buffer.from(`${name}{`))
  let sections: Section[] = []
  /** Rows that were removed, by the length of their labels. */
  const free = new Map<number, Row[]>()

  function addSection(labelsLength: number): Section {
    const room = Math.max(sectionLabels, labelsLength)
    const section: Section = {
      buffers: bare.map((length) => Buffer.alloc(rowsPerSection * length + room)),
      rows: 0,
      labelsLength: 0,
      live: 0,
    }
    sections.push(section)
    return section
  }

  function takeRow(labelsLength: number): Row {
    const known = free.get(labelsLength)
    const reused = known?.pop()
    if (known?.length === 0) free.delete(labelsLength)
    if (reused !== undefined) return reused
    let section = sections.at(-1)
    const isFull =
      section !== undefined && (section.rows === rowsPerSection || section.labelsLength + labelsLength > sectionLabels)
    if (section === undefined || isFull) section = addSection(labelsLength)
    const row = { section, index: section.rows, labelsAt: section.labelsLength, labelsLength }
    section.rows++
    section.labelsLength += labelsLength
    return row
  }

  const beginOf = ({ index, labelsAt }: Row, family: number) => index * (bare[family] as number) + labelsAt
  const lengthOf = ({ labelsLength }: Row, family: number) => (bare[family] as number) + labelsLength
  const bufferOf = ({ section }: Row, family: number) => section.buffers[family] as Buffer

  return {
    add(labels) {
      const text = Buffer.from(writeLabels(labels))
      const row = takeRow(text.length)
      row.section.live++
      for (const [family, head] of heads.entries()) {
        const buffer = bufferOf(row, family)
        const begin = beginOf(row, family)
        const end = begin + lengthOf(row, family)
        buffer.fill(space, begin, end)
        head.copy(buffer, begin)
        text.copy(buffer, begin + head.length)
        buffer.write('}', begin + head.length + text.length)
        buffer[begin] = hash
        buffer[end - 1] = lineEnd
      }
      return row
    },
    remove(row) {
      const { section } = row
      section.live--
      if (section.live === 0 && section !== sections.at(-1)) {
        sections = sections.filter((one) => one !== section)
        for (const [length, rows] of free) {
          const left = rows.filter((one) => one.section !== section)
          if (left.length === 0) free.delete(length)
          else free.set(length, left)
        }
        return
      }
      for (const family of families.keys()) {
        const begin = beginOf(row, family)
        bufferOf(row, family).fill(lineEnd, begin, begin + lengthOf(row, family))
      }
      const known = free.get(row.labelsLength)
      if (known === undefined) free.set(row.labelsLength, [row])
      else known.push(row)
    },
    set(row, family, value) {
      const buffer = bufferOf(row, family)
      const begin = beginOf(row, family)
      if (value === null) {
        buffer[begin] = hash
        return
      }
      const { width } = families[family] as Family
      buffer[begin] = (heads[family] as Buffer)[0] as number
      buffer.write(String(value).padStart(width), begin + lengthOf(row, family) - 1 - width, 'latin1')
    },
    *pieces(family) {
      yield headerOf(families[family] as Family)
      for (const { buffers, rows, labelsLength } of sections)
        yield Buffer.from((buffers[family] as Buffer).subarray(0, rows * (bare[family] as number) + labelsLength))
    },
    *piecesOf(family, rows) {
      yield headerOf(families[family] as Family)
      let piece: Buffer[] = []
      let length = 0
      for (const row of rows) {
        const begin = beginOf(row, family)
        piece.push(bufferOf(row, family).subarray(begin, begin + lengthOf(row, family)))
        length += lengthOf(row, family)
        if (length < pieceLength) continue
        yield Buffer.concat(piece)
        piece = []
        length = 0
      }
      yield Buffer.concat(piece)
    },
  }
}

/** How long the labels of a section may be together, in bytes. */
const sectionLabels = rowsPerSection * 64

function headerOf({ name, help, type }: Family): Buffer {
  return Buffer.from(`# HELP ${name} ${escaped(help, /[\\\n]/g)}\n# TYPE ${name} ${type}\n`)
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value, /[\\\n"]/g)}"`)
    .join()
}

/** What the text format wants escaped (Prometheus, exposition formats). */
function escaped(text: string, what: RegExp): string {
  return text.replace(what, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
