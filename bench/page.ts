// Reads Porthole's metrics page for the benchmarks.
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

const inflate = promisify(gunzip)

/** A scrape: the time until the last byte, and the number of bytes on the wire without headers. */
export type Scrape = { readonly ms: number; readonly bytes: number; readonly page: string }

/** Scrapes with gzip, as Prometheus does, or without any encoding. */
export async function scrape(url: string, encoding: 'gzip' | 'identity'): Promise<Scrape> {
  const begin = performance.now()
  const request = get(`${url}/metrics`, { headers: { 'accept-encoding': encoding }, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const body = await buffer(response)
  const ms = performance.now() - begin
  if (response.statusCode !== 200) throw new Error(`/metrics answers ${response.statusCode}: ${body}`)
  const plain = response.headers['content-encoding'] === 'gzip' ? await inflate(body) : body
  return { ms, bytes: body.length, page: plain.toString('latin1') }
}

/** Scrapes without any encoding. `at` is the instant at which the scrape began, in milliseconds. `checks` is the number of checks made until then. */
export async function readPage(url: string): Promise<{ at: number; page: string; checks: number }> {
  const at = performance.now()
  const { page } = await scrape(url, 'identity')
  return { at, page, checks: sum(page, 'porthole_checks_total') }
}

/** Returns the sum of a family's series whose labels contain `labels`. */
export function sum(page: string, name: string, labels = ''): number {
  let total = 0
  for (const [, found = '', value] of page.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? +(\\S+)$`, 'gm')))
    if (found.includes(labels)) total += Number(value)
  return total
}

/**
 * Returns a quantile of the lateness between two pages, in milliseconds. It is interpolated within its bucket as Prometheus does; the quantile 1
 * is the bound of the last bucket.
 */
export function latenessMs(from: string, to: string, q: number): number {
  const bucket = (page: string) =>
    [...page.matchAll(/^porthole_check_lateness_seconds_bucket\{le="([\d.]+|\+Inf)"\} +(\d+)/gm)].map(([, le, n]) => ({
      le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) * 1000,
      count: Number(n),
    }))
  const earlier = bucket(from)
  const counts = bucket(to).map(({ le, count }, i) => ({ le, count: count - (earlier[i]?.count ?? 0) }))
  const wanted = q * (counts.at(-1)?.count ?? 0)
  const at = counts.findIndex(({ count }) => count >= wanted)
  const { le, count } = counts[at] ?? { le: Number.NaN, count: 0 }
  const below = counts[at - 1] ?? { le: 0, count: 0 }
  return below.le + ((wanted - below.count) / (count - below.count)) * (le - below.le)
}
