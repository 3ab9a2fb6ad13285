import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import { ServiceName } from '../../../src/domain/service/service.ts'
import { hidden } from '../../http/hidden.ts'
import { type Built, build, holdChecks, stoppedClock } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const dayMs = 86_400_000

type Stage = Built & {
  /** Lets time pass. */
  advance(ms: number): void
  /** Checks every target, each with this reason. */
  find(reason: Reason): Promise<void>
}

async function buildBadges(t: TestContext, names: readonly string[], access = {}): Promise<Stage> {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const services = names.map((name) => sampleService(name, ['db.internal:5432'], { interval: 'off', fall: 1 }))
  const built = await build(t, services, { clock, prober, access })
  return {
    ...built,
    advance: clock.advance,
    async find(reason) {
      const swept = built.sweep()
      prober.answer({ reason })
      await swept
    },
  }
}

const entities: Readonly<Record<string, string>> = {
  '&#38;': '&',
  '&#60;': '<',
  '&#62;': '>',
  '&#34;': '"',
  '&#39;': "'",
}

/** Returns the text of a badge. Fails if the answer is not a picture. */
function told({ headers, body }: Awaited<ReturnType<Built['get']>>): string {
  assert.equal(headers['content-type'], 'image/svg+xml')
  const [, title] = /^<svg [^<>]*>\n<title>([^<>]*)<\/title>/.exec(body) ?? assert.fail(body)
  return (title ?? '').replace(/&\S+?;/g, (entity) => entities[entity] ?? assert.fail(entity))
}

const badge = (name: string, query = '') => `/badge/${encodeURIComponent(name)}.svg${query}`

/** Accept headers of browsers and image proxies. */
const forPictures = [
  'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8',
  'image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
  'image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
  'image/*',
  'image/svg+xml',
]
const forPrograms = [undefined, '', '*/*', 'application/json', 'application/problem+json, image/*;q=0.5', 'text/html']
const accepting = (accept: string | undefined): Record<string, string> => (accept === undefined ? {} : { accept })

test('a badge shows the status at the time of the request', async (t) => {
  const { get, find, advance, registry } = await buildBadges(t, ['postgres'])
  const status = async () => told(await get(badge('postgres')))
  assert.equal(await status(), 'postgres: unknown')
  await find('connected')
  assert.equal(await status(), 'postgres: up')
  await find('refused')
  assert.equal(await status(), 'postgres: down')
  registry.setDrained(['postgres'], true)
  assert.equal(await status(), 'postgres: draining')
  registry.setDrained(['postgres'], false)
  advance(dayMs)
  assert.equal(await status(), 'postgres: unknown')
})

test('?uptime= shows the uptime of the last 24 hours, 7 days or 30 days', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, sweep } = await build(
    t,
    [sampleService('postgres', ['db.internal:5432'], { interval: 3_600_000, rise: 1, fall: 1 })],
    {
      clock,
      prober,
    },
  )
  const uptime = async (window: string) => told(await get(badge('postgres', `?uptime=${window}`)))
  for (const window of ['24h', '7d', '30d']) assert.equal(await uptime(window), `postgres ${window}: unknown`)
  // Down for the first of ten days, up for the others.
  for (let hour = 0; hour <= 240; hour++) {
    const swept = sweep()
    prober.answer({ reason: hour < 24 ? 'refused' : 'connected' })
    await swept
    if (hour < 240) clock.advance(3_600_000)
  }
  assert.equal(await uptime('24h'), 'postgres 24h: 100%')
  assert.equal(await uptime('7d'), 'postgres 7d: 100%')
  assert.equal(await uptime('30d'), 'postgres 30d: 90%')
})

test('a wrong query is 400, and a sentence says what to write', async (t) => {
  const { get } = await buildBadges(t, ['postgres'])
  for (const [query, detail] of [
    ['?uptime=1h', 'uptime="1h": write 24h, 7d, 30d'],
    ['?uptime=', 'uptime="": write 24h, 7d, 30d'],
    ['?uptime', 'uptime="": write 24h, 7d, 30d'],
    ['?uptime=24h&uptime=7d', 'given more than once: write it once'],
    ['?style=flat', 'unknown query parameter style: there is only uptime'],
  ] as const) {
    const response = await get(badge('postgres', query))
    assert.deepEqual([response.statusCode, response.headers['content-type']], [400, 'application/problem+json'], query)
    assert.equal(response.json().detail, detail)
  }
})

test('a service that is not registered is 404, with a picture for clients that prefer one, else with a problem', async (t) => {
  const { get } = await buildBadges(t, ['postgres'])
  for (const name of ['gone', 'POSTGRES', 'a<b>&"\'']) {
    for (const accept of forPictures) {
      const response = await get(badge(name), accepting(accept))
      assert.deepEqual([response.statusCode, told(response)], [404, `${name}: not registered`], accept)
      assert.equal(response.headers.vary, 'accept, accept-encoding')
    }
    for (const accept of forPrograms) {
      const response = await get(badge(name), accepting(accept))
      assert.deepEqual(
        [response.statusCode, response.headers['content-type']],
        [404, 'application/problem+json'],
        accept,
      )
      assert.equal(response.headers.vary, 'accept')
      assert.match(response.json().detail, /^No service is named /)
    }
  }
})

test('the badge of a registered service is a picture, whatever the client accepts', async (t) => {
  const { get } = await buildBadges(t, ['postgres'])
  for (const accept of [...forPictures, ...forPrograms])
    assert.equal(told(await get(badge('postgres'), accepting(accept))), 'postgres: unknown', accept)
})

test('a service is found by its name, whatever characters the name has', async (t) => {
  const names = [
    'db-1.internal',
    '.svg',
    'a.svg',
    'a.svg.svg',
    'logo.svg?x',
    'a.svg/b',
    'a/b',
    '/',
    '../..',
    'Zürich 🐘',
    '%41',
    '%2F',
    'a b+c',
    '<b>&"\'',
    '-x',
    'x'.repeat(200),
    '🐘'.repeat(100),
  ]
  for (const name of names) assert.ok(ServiceName.safeParse(name).success, name)
  const { get } = await buildBadges(t, names)
  for (const name of names) {
    assert.equal(told(await get(badge(name))), `${name}: unknown`)
    assert.equal(told(await get(badge(name, '?uptime=7d'))), `${name} 7d: unknown`)
  }
})

test('without .svg there is no badge', async (t) => {
  const { get } = await buildBadges(t, ['postgres', 'a.svg'])
  for (const url of ['/badge/postgres', '/badge/', '/badge/postgres.png'])
    assert.equal((await get(url, { accept: 'image/*' })).statusCode, 404, url)
})

test('other sites may show a badge, and caches may store it for some seconds', async (t) => {
  const { get } = await buildBadges(t, ['postgres'])
  for (const url of [badge('postgres'), badge('postgres', '?uptime=30d'), badge('gone')]) {
    const { headers } = await get(url, { accept: 'image/*' })
    assert.equal(headers['cross-origin-resource-policy'], 'cross-origin')
    const [, seconds] = /^public, max-age=(\d+)$/.exec(String(headers['cache-control'])) ?? []
    assert.ok(Number(seconds) >= 1 && Number(seconds) <= 60, String(headers['cache-control']))
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.match(String(headers['content-security-policy']), /^default-src 'none'/)
  }
})

test('HEAD is answered like GET, without the picture', async (t) => {
  const { app, get } = await buildBadges(t, ['postgres'])
  const { statusCode, headers, body } = await app.inject({ method: 'HEAD', url: badge('postgres') })
  const whole = await get(badge('postgres'))
  assert.deepEqual([statusCode, body], [200, ''])
  for (const name of ['content-type', 'content-length', 'cache-control'])
    assert.equal(headers[name], whole.headers[name], name)
})

test('a badge needs no token where details are hidden, and shows no target', async (t) => {
  const { get, find } = await buildBadges(t, ['postgres'], hidden)
  await find('refused')
  const response = await get(badge('postgres'))
  assert.deepEqual([response.statusCode, told(response)], [200, 'postgres: down'])
  assert.equal((await get(badge('postgres', '?uptime=24h'))).statusCode, 200)
  assert.doesNotMatch(response.body, /internal|5432|refused/)
})
