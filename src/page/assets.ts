import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
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

/** The files on disk by their names. `tools/build.ts` finds the URLs here, and copies the files into dist/. */
const files: Readonly<Record<string, URL>> = {
  'page.css': new URL('./browser/page.css', import.meta.url),
  'page.js': new URL('./browser/page.js', import.meta.url),
  'plot.js': new URL('./browser/plot.js', import.meta.url),
  'stream.js': new URL('./browser/stream.js', import.meta.url),
  'uplot.js': new URL(import.meta.resolve('uplot/dist/uPlot.esm.js')),
  'uplot.css': new URL(import.meta.resolve('uplot/dist/uPlot.min.css')),
}

/** Reads all files into memory. There are about ten, and they never change while Porthole runs. */
export function readAssets(): Assets {
  const sources: [name: string, body: Buffer][] = [
    ...Object.entries(files).map(([name, url]): [string, Buffer] => [name, readFileSync(url)]),
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
