import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { worstFirst } from '../domain/health/status.ts'
import { statusIcon } from './parts/status-icons.ts'

/** A file that pages load. */
export type Asset = {
  readonly type: string
  readonly body: Buffer
  /** The content security policy of a shared worker. A worker gets the policy of its own script, not the policy of the page that starts it. */
  readonly policy?: string
}

/** The files that pages load, by name. `digest` changes with any of the files, so that browsers may cache a URL with a digest for ever. */
export type Assets = { readonly files: ReadonlyMap<string, Asset>; readonly digest: string }

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Returns the policy of a file where `securityHeaders` are too strict. Only the worker needs one, because it reads the event stream. */
const policyOf = (name: string) =>
  name === 'stream.js' ? { policy: "default-src 'none'; connect-src 'self'; frame-ancestors 'none'" } : {}

const own = join(import.meta.dirname, 'browser')
const { resolve } = createRequire(import.meta.url)

/** Reads all files into memory. There are about ten, and they never change while Porthole runs. */
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
