import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build } from '../support/app.ts'

test('the API reference works over plain http: its policy upgrades nothing, and every file that it loads exists', async (t) => {
  const { listen } = await build(t)
  const url = await listen()
  const page = await fetch(`${url}/docs`)
  assert.equal(page.status, 200)
  assert.doesNotMatch(page.headers.get('content-security-policy') ?? '', /upgrade-insecure-requests/)
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/)
  assert.equal(page.headers.get('strict-transport-security'), null)
  const html = await page.text()
  const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => new URL(path ?? '', page.url))
  assert.ok(assets.length >= 5, html)
  for (const asset of assets) {
    assert.equal(asset.origin, url, 'nothing is loaded from elsewhere')
    const response = await fetch(asset)
    await response.text()
    assert.equal(response.status, 200, asset.href)
    assert.doesNotMatch(response.headers.get('content-security-policy') ?? '', /upgrade-insecure-requests/)
  }
  const initializer = await (await fetch(`${url}/docs/static/swagger-initializer.js`)).text()
  assert.match(initializer, /validatorUrl: null/)
})

test("the API reference has Porthole's name, logo and icon, and not those of its framework", async (t) => {
  const { get } = await build(t)
  const { body, headers } = await get('/docs')
  assert.match(body, /<title>Porthole API<\/title>/)
  assert.doesNotMatch(body, /Swagger UI|favicon-\d/)
  assert.doesNotMatch(String(headers['content-security-policy']), /swagger\.io/)
  const icon = await get('/docs/static/theme/porthole.svg')
  assert.deepEqual([icon.statusCode, icon.headers['content-type']], [200, 'image/svg+xml'])
  const { body: script } = await get('/docs/static/swagger-initializer.js')
  const [, logo = ''] = /img\.src = 'data:image\/svg\+xml;base64,([^']+)'/.exec(script) ?? []
  const drawn = Buffer.from(logo, 'base64').toString()
  assert.match(drawn, /^<svg .*>Porthole<\/text><\/svg>$/s)
  assert.doesNotMatch(drawn.replace('http://www.w3.org/2000/svg', ''), /https?:/, 'nothing is loaded from elsewhere')
})

test('the document is served at /openapi.json', async (t) => {
  const { get } = await build(t)
  const { statusCode, headers, json } = await get('/openapi.json')
  assert.deepEqual([statusCode, headers['content-type']], [200, 'application/json; charset=utf-8'])
  assert.equal(json().openapi, '3.1.0')
})
