import type { Metrics } from '../../src/metrics/metrics.ts'

/** A metrics page, whole. */
export async function rendered(metrics: Metrics, ...options: Parameters<Metrics['render']>): Promise<string> {
  let page = ''
  for await (const piece of metrics.render(...options)) page += piece.toString()
  return page
}

/** A metrics page, read: every series by its name and labels as written, in the order of the page. */
export function readPage(text: string): Map<string, number> {
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    series.map((line) => {
      const divider = line.lastIndexOf(' ')
      return [line.slice(0, divider), Number(line.slice(divider + 1))]
    }),
  )
}

/** The series of one family, without the family's name: `{service="pg"}` → 1. */
export function familyOf(text: string, name: string): Record<string, number> {
  const own = [...readPage(text)].filter(([series]) => series === name || series.startsWith(`${name}{`))
  return Object.fromEntries(own.map(([series, value]) => [series.slice(name.length), value]))
}
