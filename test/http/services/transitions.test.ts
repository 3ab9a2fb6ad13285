import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fastify } from 'fastify'
import type { Reason } from '../../../src/domain/check/outcome.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import { answerWithProblems } from '../../../src/http/answers/problem.ts'
import { compileRequestSchema, compileResponseSchema } from '../../../src/http/requests/schemas.ts'
import { TransitionPage, UptimeReport } from '../../../src/http/services/transition-reports.ts'
import { transitionRoutes } from '../../../src/http/services/transitions.ts'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { watch } from '../../monitor/fakes.ts'
import { sampleService } from '../../support/samples.ts'
import { countingSlices } from '../../support/slices.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** The time of the fake clock when it starts. */
const start = '2026-11-22T12:00:00.000Z'
const after = (ms: number) => new Date(Date.parse(start) + ms).toISOString()

/** A service with one target. Every verdict changes its status, which stays valid for days. */
const one = (name: string, settings: Parameters<typeof sampleService>[2] = {}) =>
  sampleService(name, [`${name}:5432`], { rise: 1, fall: 1, interval: 20 * dayMs, ...settings })

/** Serves only these routes. The test ends the checks of their monitor. */
async function build(t: TestContext, services: readonly Service[], maxCount?: number) {
  const state = watch(services)
  const { monitor, registry, clock, checkOnce, target } = state
  const log = createTransitionLog({ monitor, clock, ...(maxCount === undefined ? {} : { maxCount }) })
  const app = fastify()
  app.setValidatorCompiler(compileRequestSchema)
  app.setSerializerCompiler(compileResponseSchema)
  answerWithProblems(app)
  await app.register(transitionRoutes, { monitor, registry, log, clock, slices: countingSlices() })
  t.after(() => app.close())

  /** Checks the one target of a service. */
  const check = (name: string, reason: Reason) => checkOnce(target(name, `${name}:5432`), reason)
  async function ask(url: string) {
    const response = await app.inject(url)
    assert.equal(response.statusCode, 200, response.body)
    assert.equal(response.headers['content-type'], 'application/json; charset=utf-8')
    assert.equal(response.headers['cache-control'], 'no-store')
    return response
  }
  async function page(url: string) {
    const response = await ask(url)
    const page = TransitionPage.strict().parse(response.json())
    const { link } = response.headers
    const next = /^<(.*)>; rel="next"$/.exec(String(link))?.[1]
    assert.equal(next === undefined, page.next === null, String(link))
    return { ...page, nextUrl: next === undefined ? null : new URL(next, `http://porthole${url}`) }
  }
  /** Returns the service, the target and the status of each transition. */
  const list = async (url: string) =>
    (await page(url)).transitions.map(({ service, target, to }) => `${target ?? service} ${to}`).join(', ')
  async function uptime(name: string) {
    const report = UptimeReport.strict().parse((await ask(`/v1/services/${name}/uptime`)).json())
    assert.deepEqual([report.service, report.windows.map(({ window }) => window).join(' ')], [name, '24h 7d 30d'])
    return report.windows
  }
  async function problem(url: string): Promise<[number, string]> {
    const response = await app.inject(url)
    assert.equal(response.headers['content-type'], 'application/problem+json', response.body)
    const { status, detail } = response.json<{ status: number; detail: string }>()
    assert.equal(status, response.statusCode)
    return [status, detail]
  }
  return { ...state, app, log, check, page, list, uptime, problem }
}

test('before the first transition the page is empty, and says since when it is complete', async (t) => {
  const { page, clock } = await build(t, [one('pg')])
  clock.advance(hourMs)
  const { nextUrl, ...empty } = await page('/v1/transitions')
  assert.deepEqual(empty, { transitions: [], next: null, completeSince: start, gaps: [] })
  assert.equal(nextUrl, null)
})

test('the gaps when Porthole was not running are listed, the newest first, if they overlap the requested time', async (t) => {
  const { page, log, clock } = await build(t, [one('pg')])
  clock.advance(hourMs)
  const now = clock.now()
  const gaps = [4, 3, 2].map((hours) => ({ from: now - hours * hourMs, to: now - hours * hourMs + 1000 }))
  log.restore({ transitions: [], gaps, completeAfter: { id: 0, at: 0 }, endedAt: now })
  const told = async (url: string) => (await page(url)).gaps.map(({ from }) => from)
  const [four, three, two] = [after(-3 * hourMs), after(-2 * hourMs), after(-hourMs)]
  assert.deepEqual((await page('/v1/transitions?from=2h')).gaps, [{ from: two, to: after(-hourMs + 1000) }])
  assert.deepEqual(await told('/v1/transitions'), [two, three, four])
  assert.deepEqual(await told('/v1/services/pg/transitions?limit=2'), [two, three])
  assert.deepEqual(await told(`/v1/transitions?from=${after(-2 * hourMs + 500)}&to=1h`), [two, three])
  assert.deepEqual(await told('/v1/transitions?to=3h'), [four])
})

test('a transition has its time, target, reason and sentence, the newest first', async (t) => {
  const { page, check, clock } = await build(t, [one('pg')])
  clock.advance(1500)
  await check('pg', 'refused')
  const { transitions } = await page('/v1/transitions')
  const ids = transitions.map(({ id }) => Number(id))
  assert.ok((ids[0] ?? 0) > (ids[1] ?? 0), ids.join(' '))
  const told = { at: after(1500), service: 'pg', from: 'unknown', to: 'down', reason: 'refused' }
  const sentence = 'refused in 0.00 ms: nothing listens on 10.0.0.5:5432, or a firewall rejects it'
  assert.deepEqual(
    transitions.map(({ id, ...rest }) => rest),
    [
      { ...told, target: null, message: `0 of 1 targets up; pg:5432: ${sentence}` },
      { ...told, target: 'pg:5432', message: sentence },
    ],
  )
})

test("a service's own route lists only its transitions, and so does ?service", async (t) => {
  const { check, list } = await build(t, [one('pg'), one('mq')])
  await check('pg', 'connected')
  await check('mq', 'refused')
  assert.equal(await list('/v1/transitions'), 'mq down, mq:5432 down, pg up, pg:5432 up')
  assert.equal(await list('/v1/services/pg/transitions'), 'pg up, pg:5432 up')
  assert.equal(await list('/v1/transitions?service=mq'), 'mq down, mq:5432 down')
})

test('the transitions of a removed service are still listed, but not on its own route', async (t) => {
  const { check, list, page, registry, problem } = await build(t, [one('pg'), one('mq')])
  await check('pg', 'connected')
  registry.replaceAll([one('mq')], [])
  assert.equal(await list('/v1/transitions?service=pg'), 'pg unknown, pg up, pg:5432 up')
  const { id: _, ...last } = (await page('/v1/transitions?service=pg')).transitions[0] ?? assert.fail()
  const message = 'deregistered: no longer in the configuration'
  assert.deepEqual(last, { at: start, service: 'pg', target: null, from: 'up', to: 'unknown', reason: null, message })
  assert.equal(await list('/v1/transitions?service=never-there'), '')
  const detail = 'No service is named "pg" any more: GET /v1/transitions?service=pg lists its transitions.'
  assert.deepEqual(await problem('/v1/services/pg/transitions'), [404, detail])
  const unknown = 'No service is named "never-there": GET /health?verbose lists all services.'
  assert.deepEqual(await problem('/v1/services/never-there/transitions'), [404, unknown])
  assert.deepEqual(await problem('/v1/services/pg/uptime'), [404, detail])
})

test('a name that needs an escape in a URL is found, and so is its next page', async (t) => {
  const name = 'a "b" & ü/z'
  const settings = { rise: 1, fall: 1, interval: 20 * dayMs }
  const { checkOnce, target, page, list } = await build(t, [sampleService(name, ['x:5432'], settings)])
  await checkOnce(target(name, 'x:5432'), 'connected')
  const escaped = encodeURIComponent(name)
  for (const url of [`/v1/services/${escaped}/transitions?limit=1`, `/v1/transitions?service=${escaped}&limit=1`]) {
    const { nextUrl } = await page(url)
    assert.equal(await list(`${nextUrl?.pathname}${nextUrl?.search}`), 'x:5432 up', url)
  }
})

/** Changes the status of a service every hour. Makes ten transitions of the service and ten of its target. */
async function flap({ check, clock }: Pick<Awaited<ReturnType<typeof build>>, 'check' | 'clock'>, name = 'pg') {
  for (let hour = 0; hour < 10; hour++) {
    await check(name, hour % 2 === 0 ? 'connected' : 'refused')
    clock.advance(hourMs)
  }
}

test('from is inclusive, to is exclusive', async (t) => {
  const built = await build(t, [one('pg')])
  await flap(built)
  const times = async (query: string) =>
    (await built.page(`/v1/transitions?${query}`)).transitions
      .filter(({ target }) => target === null)
      .map(({ at }) => at)
  assert.deepEqual(await times(`from=${after(7 * hourMs)}`), [after(9 * hourMs), after(8 * hourMs), after(7 * hourMs)])
  assert.deepEqual(await times(`to=${after(2 * hourMs)}`), [after(hourMs), start])
  assert.deepEqual(await times(`from=${after(hourMs)}&to=${after(2 * hourMs)}`), [after(hourMs)])
  assert.deepEqual(await times(`from=${after(hourMs)}&to=${after(hourMs)}`), [])
})

test('a time may have an offset, lower case and an unescaped plus; a duration counts back from now', async (t) => {
  const built = await build(t, [one('pg')])
  await flap(built)
  // Ten hours have passed. The last two changes were at eight and nine.
  const wanted = await built.list(`/v1/transitions?from=${after(8 * hourMs)}`)
  assert.equal(wanted, 'pg down, pg:5432 down, pg up, pg:5432 up')
  for (const from of [
    '2h',
    '120m',
    '2026-11-22t20:00:00z',
    '2026-11-22T21:00:00%2B01:00',
    '2026-11-22T21:00:00+01:00',
  ]) {
    assert.equal(await built.list(`/v1/services/pg/transitions?from=${from}`), wanted, from)
  }
  assert.equal(await built.list('/v1/transitions?from=3h&to=2h'), 'pg down, pg:5432 down')
})

test('a page has 100 transitions by default', async (t) => {
  const built = await build(t, [one('pg')])
  for (let round = 0; round < 6; round++) await flap(built)
  assert.equal((await built.page('/v1/transitions')).transitions.length, 100)
  assert.equal((await built.page('/v1/transitions?limit=1000')).transitions.length, 120)
  assert.equal((await built.page('/v1/transitions?limit=1')).transitions.length, 1)
})

test('a full last page has no next', async (t) => {
  const built = await build(t, [one('pg')])
  await flap(built)
  assert.equal((await built.page('/v1/transitions?limit=20')).next, null)
  assert.notEqual((await built.page('/v1/transitions?limit=19')).next, null)
})

test('page by page every transition is listed once, the newest first, while new ones arrive', async (t) => {
  for (const first of ['/v1/transitions?service=pg&limit=3', '/v1/services/pg/transitions?limit=3']) {
    const built = await build(t, [one('pg'), one('mq')])
    await flap(built, 'mq')
    await flap(built)
    const all = (await built.page('/v1/services/pg/transitions')).transitions.map(({ id }) => id)
    assert.equal(all.length, 20)
    const seen: string[] = []
    for (let url: string | null = first; url !== null; ) {
      const { transitions, next, nextUrl } = await built.page(url)
      seen.push(...transitions.map(({ id }) => id))
      await flap(built)
      await flap(built, 'mq')
      if (nextUrl === null) break
      assert.equal(next, seen.at(-1))
      assert.equal(nextUrl.searchParams.get('cursor'), next)
      url = `${nextUrl.pathname}${nextUrl.search}`
    }
    assert.deepEqual(seen, all)
  }
})

test('the next page keeps the start of the first, although time passes', async (t) => {
  const built = await build(t, [one('pg')])
  await flap(built)
  const { nextUrl } = await built.page('/v1/transitions?from=3h&limit=4')
  built.clock.advance(hourMs)
  assert.equal(nextUrl?.searchParams.get('from'), after(7 * hourMs))
  assert.equal(await built.list(`${nextUrl?.pathname}${nextUrl?.search}`), 'pg down, pg:5432 down')
})

test('a cursor stays valid when its transition is forgotten, and the page says since when it is complete', async (t) => {
  const built = await build(t, [one('pg')], 4)
  await flap(built)
  const { next, completeSince } = await built.page('/v1/transitions?limit=1')
  // Of 20 transitions the log keeps the newest 4 to 6. Two are made every hour.
  assert.equal(completeSince, after(7 * hourMs))
  await flap(built)
  assert.deepEqual((await built.page(`/v1/transitions?cursor=${next}`)).transitions, [])
})

test('every mistake in the query is 400 with a remedy', async (t) => {
  const { problem } = await build(t, [one('pg')])
  const time = (name: string, input: string) =>
    `${name}="${input}" is not a time: write one such as 2026-11-22T15:00:00Z, or how long ago, such as 24h, 3650d at most`
  const wrong: Record<string, string> = {
    'from=yesterday': time('from', 'yesterday'),
    'to=': time('to', ''),
    'from=24': time('from', '24'),
    'from=-24h': time('from', '-24h'),
    'from=3651d': time('from', '3651d'),
    'to=2026-11-22': time('to', '2026-11-22'),
    'to=2026-11-22T15:00:00': time('to', '2026-11-22T15:00:00'),
    'to=2026-02-30T15:00:00Z': time('to', '2026-02-30T15:00:00Z'),
    'from=1h&from=2h': 'given more than once: write it once',
    'from=1h&to=24h': 'from lies after to: swap them. A duration such as 24h means that long ago.',
    'from=2026-11-22T15:00:01Z&to=2026-11-22T15:00:00Z':
      'from lies after to: swap them. A duration such as 24h means that long ago.',
    'limit=0': '"0" is not a limit: write how many transitions a page may have, 1 to 1000',
    'limit=1001': '"1001" is not a limit: write how many transitions a page may have, 1 to 1000',
    'limit=ten': '"ten" is not a limit: write how many transitions a page may have, 1 to 1000',
    'cursor=abc': '"abc" is not a cursor: write the "next" of the page before, or leave it out for the first page',
  }
  for (const [query, detail] of Object.entries(wrong)) {
    assert.deepEqual(await problem(`/v1/transitions?${query}`), [400, detail], query)
    assert.deepEqual(await problem(`/v1/services/pg/transitions?${query}`), [400, detail], query)
  }
  assert.deepEqual(await problem('/v1/transitions?since=1h'), [
    400,
    'unknown query parameter since: there are service, from, to, limit, cursor',
  ])
  assert.deepEqual(await problem('/v1/services/pg/transitions?service=pg'), [
    400,
    'unknown query parameter service: there are from, to, limit, cursor',
  ])
  assert.equal((await problem('/v1/services/pg/uptime?window=24h'))[0], 400)
})

test('uptime: a service that was never checked is unknown', async (t) => {
  const { uptime } = await build(t, [one('pg')])
  const [day, week, month] = await uptime('pg')
  assert.deepEqual(day, {
    window: '24h',
    from: after(-dayMs),
    to: start,
    uptime: null,
    upMs: 0,
    downMs: 0,
    unknownMs: dayMs,
  })
  assert.deepEqual([week?.from, week?.unknownMs], [after(-7 * dayMs), 7 * dayMs])
  assert.deepEqual([month?.from, month?.unknownMs], [after(-30 * dayMs), 30 * dayMs])
})

test('uptime: up, down and unknown add up to each window, and the ratio leaves out unknown', async (t) => {
  const { uptime, check, clock } = await build(t, [one('pg')])
  clock.advance(hourMs)
  await check('pg', 'connected')
  clock.advance(2 * dayMs)
  await check('pg', 'refused')
  clock.advance(6 * hourMs)
  await check('pg', 'connected')
  clock.advance(6 * hourMs)
  const parts = (await uptime('pg')).map(({ uptime, upMs, downMs, unknownMs }) => [uptime, upMs, downMs, unknownMs])
  const upMs = 2 * dayMs + 6 * hourMs
  assert.deepEqual(parts, [
    [0.75, 18 * hourMs, 6 * hourMs, 0],
    [0.9, upMs, 6 * hourMs, 7 * dayMs - upMs - 6 * hourMs],
    [0.9, upMs, 6 * hourMs, 30 * dayMs - upMs - 6 * hourMs],
  ])
})

test('uptime: a transition at this very instant does not count', async (t) => {
  const { uptime, check, clock } = await build(t, [one('pg')])
  await check('pg', 'connected')
  clock.advance(dayMs)
  await check('pg', 'refused')
  const [day] = await uptime('pg')
  assert.deepEqual([day?.uptime, day?.upMs], [1, dayMs])
})

test('uptime: a degraded service is up, and its targets are not counted', async (t) => {
  const service = sampleService('pg', ['a:1', 'b:1'], { quorum: 'any', rise: 1, fall: 1, interval: 20 * dayMs })
  const { uptime, checkOnce, target, clock } = await build(t, [service])
  await checkOnce(target('pg', 'a:1'), 'connected')
  await checkOnce(target('pg', 'b:1'), 'refused')
  clock.advance(dayMs)
  const [day] = await uptime('pg')
  assert.deepEqual([day?.uptime, day?.upMs, day?.downMs], [1, dayMs, 0])
})

test('uptime: a stale status is unknown, even before its transition is emitted', async (t) => {
  const { uptime, check, clock, transitions } = await build(t, [one('pg', { interval: hourMs, timeout: 1000 })])
  await check('pg', 'connected')
  clock.advance(dayMs)
  const [day] = await uptime('pg')
  assert.equal(transitions.at(-1)?.to, 'up')
  // Three intervals and a timeout.
  assert.deepEqual([day?.upMs, day?.unknownMs, day?.uptime], [3 * hourMs + 1000, dayMs - 3 * hourMs - 1000, 1])
})

test('uptime: the time before the oldest transition in the log is unknown', async (t) => {
  const built = await build(t, [one('pg')], 4)
  await flap(built)
  const [day] = await built.uptime('pg')
  assert.equal(built.log.completeSince(), built.clock.now() - 3 * hourMs)
  assert.deepEqual([day?.upMs, day?.downMs, day?.unknownMs], [hourMs, 2 * hourMs, 21 * hourMs])
})

test('uptime: a service that is removed and registered again keeps its past, and is unknown until its next check', async (t) => {
  const { uptime, check, clock, registry } = await build(t, [one('pg')])
  await check('pg', 'connected')
  clock.advance(6 * hourMs)
  registry.replaceAll([], [])
  clock.advance(6 * hourMs)
  registry.replaceAll([one('pg')], [])
  const [afterDeletion] = await uptime('pg')
  assert.deepEqual([afterDeletion?.upMs, afterDeletion?.downMs, afterDeletion?.uptime], [6 * hourMs, 0, 1])
  await check('pg', 'connected')
  clock.advance(hourMs)
  const [day] = await uptime('pg')
  assert.deepEqual([day?.upMs, day?.unknownMs, day?.uptime], [7 * hourMs, 17 * hourMs, 1])
})

test('HEAD answers like GET, without the body', async (t) => {
  const { app } = await build(t, [one('pg')])
  for (const url of ['/v1/transitions', '/v1/services/pg/transitions', '/v1/services/pg/uptime']) {
    const response = await app.inject({ method: 'HEAD', url })
    assert.deepEqual([response.statusCode, response.body], [200, ''], url)
  }
})
