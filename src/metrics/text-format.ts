import type { MetricFamily } from '../domain/metric-family.ts'

/** One metric of the things that have rows in a table. */
export type Family = {
  readonly name: MetricFamily
  readonly help: string
  readonly type: 'gauge' | 'counter'
  /** The number of whatever has its row in a slot, as it is now. NaN: it has none, and no line. */
  readonly read: (slot: number) => number
  /** What is told of a number, where that is not the number itself. */
  readonly value?: (number: number) => number
  /** Labels that depend on the number, behind those of the row. */
  readonly labels?: (number: number) => Labels
}

export type Labels = Readonly<Record<string, string>>

/** The HELP and TYPE of a family. */
export function headerOf({ name, help, type }: Family): string {
  return `# HELP ${name} ${escaped(help, /[\\\n]/g)}\n# TYPE ${name} ${type}\n`
}

/** What stands before the labels of a row. */
export function beginOf({ name }: Family): string {
  return `${name}{`
}

/** What stands behind the labels of a row. Numbers are written as JavaScript writes them, as prom-client does. */
export function endOf({ value, labels }: Family, number: number): string {
  const more = labels === undefined ? '' : `,${writeLabels(labels(number))}`
  return `${more}} ${value === undefined ? number : value(number)}\n`
}

/** Labels as they stand between braces. */
export function writeLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value, /[\\\n"]/g)}"`)
    .join()
}

/** What the text format wants escaped (Prometheus, exposition formats). */
function escaped(text: string, what: RegExp): string {
  return text.replace(what, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
