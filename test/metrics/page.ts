import assert from 'node:assert/strict'
import type { Metrics } from '../../src/metrics/metrics.ts'

/** Returns a whole metrics page. */
export async function rendered(metrics: Metrics, ...options: Parameters<Metrics['render']>): Promise<string> {
  let page = ''
  for await (const chunk of metrics.render(...options)) page += chunk.toString()
  return page
}

/** Reads a metrics page: every series by its name and labels as written, in the order of the page. Fails at a series that is there twice. */
export function readPage(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const series = new Map<string, number>()
  for (const line of lines) {
    const divider = line.lastIndexOf(' ')
    const name = line.slice(0, divider)
    assert.ok(!series.has(name), `${name} is there twice`)
    series.set(name, Number(line.slice(divider + 1)))
  }
  return series
}

/** Returns the families of a page in its order: HELP and TYPE, then the lines of their series, sorted. */
export function familiesOf(text: string): string[][] {
  return text.split(/^(?=# HELP )/m).map((family) => {
    const [help = '', type = '', ...series] = family.split('\n').filter((line) => line !== '')
    return [help, type, ...series.sort()]
  })
}

/** Returns the series of one family, without the family's name: `{service="pg"}` → 1. */
export function familyOf(text: string, name: string): Record<string, number> {
  const own = [...readPage(text)].filter(([series]) => series === name || series.startsWith(`${name}{`))
  return Object.fromEntries(own.map(([series, value]) => [series.slice(name.length), value]))
}
