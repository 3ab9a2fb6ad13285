import type { MetricFamily } from '../domain/metric-family.ts'

/** One metric of a table. */
export type Family = {
  readonly name: MetricFamily
  readonly help: string
  readonly type: 'gauge' | 'counter'
  /** How many characters a value may take: 1 for a bit, 16 for a count, 24 for any number. */
  readonly width: number
}

/** The HELP and TYPE of a family. */
export function headerOf({ name, help, type }: Family): Buffer {
  return Buffer.from(`# HELP ${name} ${escaped(help, /[\\\n]/g)}\n# TYPE ${name} ${type}\n`)
}

/** Labels as they stand between braces. */
export function writeLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value, /[\\\n"]/g)}"`)
    .join()
}

/** What the text format wants escaped (Prometheus, exposition formats). */
function escaped(text: string, what: RegExp): string {
  return text.replace(what, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}
