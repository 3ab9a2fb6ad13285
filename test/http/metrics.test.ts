import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { build } from '../app.ts'
import { readPage } from '../metrics/page.ts'
import { sampleService } from '../samples.ts'

/** Series of services and targets, which do not change while nothing is checked. */
const lasting = (page: string) =>
  [...readPage(page)].filter(([series]) => /^porthole_(service|target|group)_/.test(series))

test('a page is zipped for who accepts that, and the same', async (t) => {
  const { get } = await build(t, [sampleService('a', ['a:1'], { groups: ['x'] }), sampleService('b', ['b:1'])])
  const plain = await get('/metrics')
  assert.equal(plain.headers['content-encoding'], undefined)
  assert.equal(plain.headers.vary, 'accept-encoding')
  for (const accepted of ['gzip', 'gzip;q=1.0, identity;q=0.5', 'br, gzip']) {
    const zipped = await get('/metrics', { 'accept-encoding': accepted })
    assert.equal(zipped.headers['content-encoding'], 'gzip', accepted)
    assert.equal(zipped.headers['content-type'], plain.headers['content-type'])
    assert.deepEqual(lasting(gunzipSync(zipped.rawPayload).toString()), lasting(plain.body))
  }
  for (const accepted of ['identity', 'br', 'gzip;q=0', ''])
    assert.equal(
      (await get('/metrics', { 'accept-encoding': accepted })).headers['content-encoding'],
      undefined,
      accepted,
    )
})

test('a page can be narrowed, and what it cannot be narrowed by is refused', async (t) => {
  const { get } = await build(t, [sampleService('a', ['a:1'], { groups: ['x'] }), sampleService('b', ['b:1'])])
  const { body } = await get('/metrics?group=x')
  assert.match(body, /^porthole_service_up\{service="a"\} 0$/m)
  assert.doesNotMatch(body, /service="b"|process_|porthole_build_info/)
  const response = await get('/metrics?target=a:1')
  assert.deepEqual(
    [response.statusCode, response.json().detail],
    [400, 'unknown query parameter target: there are group, service, exclude'],
  )
})

test('who goes away in the middle of a page, zipped or not, is missed by nobody', async (t) => {
  const services = Array.from({ length: 5000 }, (_, i) => sampleService(`service-${i}`, [`10.0.0.1:${i + 1}`]))
  const logged: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => void logged.push(line) } }
  const { listen, get } = await build(t, services, { logger })
  const url = await listen()
  for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
    for (let round = 0; round < 3; round++) {
      const request = http.get(`${url}/metrics`, { headers })
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      await once(response, 'data')
      request.destroy()
      await once(response, 'close').catch(() => undefined)
    }
  }
  // A reader that takes its time gets all of it.
  const request = http.get(`${url}/metrics`)
  const [slow] = (await once(request, 'response')) as [http.IncomingMessage]
  slow.pause()
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.deepEqual(lasting(await text(slow)), lasting((await get('/metrics')).body))
  assert.deepEqual(logged, [])
})
