import type { MetricFamily } from '../domain/metric-family.ts'

/** One metric of the things that have rows in a table. */
export type Family<Page> = {
  readonly name: MetricFamily
  readonly help: string
  readonly type: 'gauge' | 'counter'
  /** Where in a page of a table its numbers are. */
  readonly column: (page: Page) => Numbers
  /** What a row has there that has no number, and no line; NaN unless it is said. */
  readonly none?: number
  /** Where not every row that has a number has a line. */
  readonly hasLine?: (page: Page, row: number) => boolean
  /** What is told of a number, where that is not the number itself. */
  readonly value?: (number: number) => number
  /** Where what is told is a fraction, its last decimal: `value` is a whole number of those. */
  readonly decimals?: 3 | 9
  /** Labels that depend on the number, behind those of the row. */
  readonly labels?: (number: number) => Labels
}

export type Numbers = Float64Array | Uint32Array | Uint8Array

export type Labels = Readonly<Record<string, string>>

/** The HELP and TYPE of a family. */
export function headerOf({ name, help, type }: Family<never>): string {
  return `# HELP ${name} ${escaped(help, inHelp)}\n# TYPE ${name} ${type}\n`
}

/** What stands before the labels of a row. */
export function beginOf({ name }: Family<never>): string {
  return `${name}{`
}

/** What stands behind the labels of a row, where it is not a fraction. Numbers are written as JavaScript writes them, as prom-client does. */
export function endOf({ value, labels }: Family<never>, number: number): string {
  const more = labels === undefined ? '' : `,${labelsOf(labels(number))}`
  return `${more}} ${value === undefined ? number : value(number)}\n`
}

/** Labels as they stand between braces. */
export function labelsOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapedValue(value)}"`)
    .join()
}

/** A label's value as it stands between quotes. */
export function escapedValue(value: string): string {
  return isPlain(value) ? value : escaped(value, inValue)
}

/** Whether there is nothing to escape. So it is nearly always, and to see that takes less than to replace nothing. */
function isPlain(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === quote || code === backslash || code === lineFeed) return false
  }
  return true
}

/** What the text format wants escaped (Prometheus, exposition formats). */
const [inHelp, inValue] = [/[\\\n]/g, /[\\\n"]/g] as const
const [quote, backslash, lineFeed] = [0x22, 0x5c, 0x0a] as const

function escaped(text: string, what: RegExp): string {
  return text.replace(what, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
