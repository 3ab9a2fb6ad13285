import type { MetricFamily } from '../domain/values/metric-family.ts'

/** One metric family, with a series for each row of a table. */
export type Family<Chunk> = {
  readonly name: MetricFamily
  readonly help: string
  readonly type: 'gauge' | 'counter'
  /** Returns the column of its numbers in a column chunk. */
  readonly column: (chunk: Chunk) => Numbers
  /** The number that stands for none: a row with it has no line. NaN stands for none in any column. */
  readonly none?: number
  /** Whether a row has a line, for families where a number alone does not decide. */
  readonly hasLine?: (chunk: Chunk, row: number) => boolean
  /** Converts a number of the column to the value of the line. */
  readonly value?: (number: number) => number
  /** The number of decimals of a value that is a fraction. `value` then returns a whole number, which is divided by 10 to this power. */
  readonly decimals?: 3 | 9
  /** Returns labels that depend on the number, which follow the labels of the row. */
  readonly labels?: (number: number) => Labels
}

/** A column of numbers. */
export type Numbers = Float64Array | Uint32Array | Uint8Array

/** The values of labels by name, not escaped. */
export type Labels = Readonly<Record<string, string>>

/** Returns the HELP and TYPE lines of a family. */
export function headerOf({ name, help, type }: Family<never>): string {
  return `# HELP ${name} ${escaped(help, inHelp)}\n# TYPE ${name} ${type}\n`
}

/** Returns the part of a line before the labels of a row. */
export function beginOf({ name }: Family<never>): string {
  return `${name}{`
}

/** Returns the part of a line after the labels of a row, for a family without decimals. Writes numbers as JavaScript and prom-client do. */
export function endOf({ value, labels }: Family<never>, number: number): string {
  const more = labels === undefined ? '' : `,${labelsOf(labels(number))}`
  return `${more}} ${value === undefined ? number : value(number)}\n`
}

/** Writes labels as they stand between the braces of a series. */
export function labelsOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapedValue(value)}"`)
    .join()
}

/** Escapes the value of a label. */
export function escapedValue(value: string): string {
  return isPlain(value) ? value : escaped(value, inValue)
}

/** Whether a value needs no escaping. Nearly all need none, and this loop is faster than a replacement that finds nothing. */
function isPlain(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === quote || code === backslash || code === lineFeed) return false
  }
  return true
}

/** The characters that the text format requires to be escaped (Prometheus, exposition formats). */
const [inHelp, inValue] = [/[\\\n]/g, /[\\\n"]/g] as const
const [quote, backslash, lineFeed] = [0x22, 0x5c, 0x0a] as const

function escaped(text: string, what: RegExp): string {
  return text.replace(what, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
