import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { ReportedStatus } from '../../src/domain/health/status.ts'
import { readAssets } from '../../src/page/assets.ts'
import { build } from '../support/app.ts'
import { readElements } from './elements.ts'

const { files, digest } = readAssets()
const forGood = 'public, max-age=31536000, immutable'

test('there is an icon for every status, and no two look alike', () => {
  const icons = ReportedStatus.options.map((status) => files.get(`icon-${status}.svg`)?.body.toString() ?? '')
  assert.equal(new Set(icons).size, ReportedStatus.options.length)
  for (const icon of icons) {
    const [svg] = readElements(icon)
    assert.deepEqual([svg?.name, svg?.attributes.xmlns], ['svg', 'http://www.w3.org/2000/svg'])
  }
})

test('the digest is the same in every process, and safe in a URL', () => {
  assert.equal(readAssets().digest, digest)
  assert.match(digest, /^[\w-]{12}$/)
})

test('the library that draws charts is the one that is installed', () => {
  const { resolve } = createRequire(import.meta.url)
  assert.deepEqual(files.get('uplot.js')?.body, readFileSync(resolve('uplot/dist/uPlot.esm.js')))
})

test('each file is served with its media type, and browsers may not guess another', async (t) => {
  const { get } = await build(t)
  for (const [name, { body }] of files) {
    const { statusCode, headers, rawPayload } = await get(`/page/${name}?v=${digest}`)
    assert.equal(statusCode, 200, name)
    const type = /\.js$/.test(name) ? 'text/javascript' : /\.css$/.test(name) ? 'text/css' : 'image/svg+xml'
    assert.equal(String(headers['content-type']).replace('; charset=utf-8', ''), type)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.deepEqual(rawPayload, body)
  }
})

test('the policy of the worker allows the event stream, and that of other files allows nothing', async (t) => {
  const { get } = await build(t)
  for (const name of files.keys()) {
    const { headers } = await get(`/page/${name}`)
    const more = name === 'stream.js' ? " connect-src 'self';" : ''
    assert.equal(headers['content-security-policy'], `default-src 'none';${more} frame-ancestors 'none'`, name)
  }
})

test('a file may be cached for ever only under the present digest, so that no page mixes two versions', async (t) => {
  const { get } = await build(t)
  for (const [query, kept] of [
    [`?v=${digest}`, forGood],
    [`?x=1&v=${digest}`, forGood],
    ['', 'no-cache'],
    ['?v=', 'no-cache'],
    ['?v=another', 'no-cache'],
    [`?v=${digest}x`, 'no-cache'],
    [`?v=${digest.toLowerCase()}X`, 'no-cache'],
    [`?v=x&v=${digest}`, 'no-cache'],
    [`?w=${digest}`, 'no-cache'],
  ] as const) {
    const { statusCode, headers } = await get(`/page/page.css${query}`)
    assert.deepEqual([statusCode, headers['cache-control']], [200, kept], query)
  }
})

test('an unknown file is 404, and may not be cached', async (t) => {
  const { get } = await build(t)
  for (const name of [
    'nothing.js',
    'tsconfig.json',
    'page.ts',
    '__proto__',
    'constructor',
    'icon-.svg',
    '..%2froutes.ts',
    '%2e%2e%2fassets.ts',
    '..%2f..%2f..%2fpackage.json',
    '%00',
    'page.css%00',
  ]) {
    const { statusCode, headers } = await get(`/page/${name}?v=${digest}`)
    assert.deepEqual([statusCode, headers['content-type']], [404, 'application/problem+json'], name)
    assert.equal(headers['cache-control'], undefined)
  }
})

test('every file that a script names exists', () => {
  const named = ['page.js', 'plot.js', 'stream.js'].flatMap((name) => {
    const source = files.get(name)?.body.toString() ?? assert.fail(name)
    return [...source.matchAll(/[\w-]+\.(?:js|css|svg)\b/g)].map(([file]) => file)
  })
  assert.ok(['plot.js', 'stream.js', 'uplot.js'].every((name) => named.includes(name)))
  for (const name of named) assert.ok(files.has(name), name)
})
