import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { worstFirst } from '../domain/status.ts'
import { statusIcon } from './shapes.ts'

/** A file that pages ask for. */
export type Asset = {
  readonly type: string
  readonly body: Buffer
  /** A shared worker has the policy that its own script came with, not that of the page that starts it. */
  readonly policy?: string
}

/** What pages are made of beside their HTML. `digest` changes with any of them, so that each may be kept for good under its own. */
export type Assets = { readonly files: ReadonlyMap<string, Asset>; readonly digest: string }

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** What the worker may do beyond what `securityHeaders` allow: read the event stream. */
const policyOf = (name: string) =>
  name === 'stream.js' ? { policy: "default-src 'none'; connect-src 'self'; frame-ancestors 'none'" } : {}

const own = join(import.meta.dirname, 'browser')
const { resolve } = createRequire(import.meta.url)

/** Reads them: there are a handful, and they never change while Porthole runs. */
export function readAssets(): Assets {
  const sources: [name: string, body: Buffer][] = [
    ...['page.css', 'page.js', 'plot.js', 'stream.js'].map((name): [string, Buffer] => [
      name,
      readFileSync(join(own, name)),
    ]),
    ['uplot.js', readFileSync(resolve('uplot/dist/uPlot.esm.js'))],
    ['uplot.css', readFileSync(resolve('uplot/dist/uPlot.min.css'))],
    ...worstFirst.map((status): [string, Buffer] => [`icon-${status}.svg`, Buffer.from(statusIcon(status))]),
  ]
  const digest = createHash('sha256')
  for (const [name, body] of sources) digest.update(name).update(body)
  return {
    files: new Map(
      sources.map(([name, body]) => [name, { type: types[extname(name)] ?? '', body, ...policyOf(name) }]),
    ),
    digest: digest.digest('base64url').slice(0, 12),
  }
}
