import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../../../src/http/answers/problem.ts'
import { HealthJson } from '../../../src/http/health/health-json.ts'
import { ServiceReport } from '../../../src/http/health/reports.ts'
import { SetReport } from '../../../src/http/health/set-reports.ts'
import { type Built, build, holdChecks, listen, nobody, stoppedClock } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'
import { assertDocumented, type OpenApi } from '../document.ts'
import { hidden } from '../hidden.ts'

test('a service report has these fields, in this order, and no others', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const service = sampleService('postgres', ['db-1:5432', 'db-2:5432'], { quorum: 'any', groups: ['payments'] })
  const { get, sweep, monitor, target } = await build(t, [service], { clock, prober })
  const first = sweep()
  prober.answer({ latencyMs: 0.21, synRetransmits: 0 })
  await first
  clock.advance(1000)
  const second = monitor.check(target('postgres', 1))
  prober.answer({ reason: 'refused', latencyMs: 0.3, address: '10.0.0.6:5432' })
  await second
  const expected = {
    service: 'postgres',
    status: 'up',
    reason: null,
    message: null,
    since: '2026-11-22T15:00:05.000Z',
    checkedAt: '2026-11-22T15:00:05.000Z',
    quorum: 'any',
    groups: ['payments'],
    targetsUp: 2,
    targetsTotal: 2,
    checkedBy: null,
    targets: [
      {
        target: 'db-1:5432',
        resolvedFrom: null,
        status: 'up',
        reason: 'connected',
        message: 'connected in 0.21 ms',
        advice: null,
        latencyMs: 0.21,
        synRetransmits: 0,
        answer: null,
        icmp: null,
        address: '10.0.0.5:5432',
        lookupMs: null,
        streak: 1,
        streakVerdict: 'up',
        since: '2026-11-22T15:00:05.000Z',
        checkedAt: '2026-11-22T15:00:05.000Z',
      },
      {
        target: 'db-2:5432',
        resolvedFrom: null,
        status: 'up',
        reason: 'refused',
        message: 'refused in 0.30 ms: nothing listens on 10.0.0.6:5432, or a firewall rejects it',
        advice: null,
        latencyMs: 0.3,
        synRetransmits: 0,
        answer: null,
        icmp: null,
        address: '10.0.0.6:5432',
        lookupMs: null,
        streak: 1,
        streakVerdict: 'down',
        since: '2026-11-22T15:00:05.000Z',
        checkedAt: '2026-11-22T15:00:06.000Z',
      },
    ],
  }
  assert.equal((await get('/health/postgres')).body, JSON.stringify(expected))
})

test('a service report names the replica that checks the service, from the very next answer on', async (t) => {
  const { get, monitor, put } = await build(t, [sampleService('pg', ['db:5432']), sampleService('mq', ['mq:1'])])
  const checkers = async () =>
    (await get('/health?verbose')).json<SetReport>().services.map(({ service, checkedBy }) => [service, checkedBy])
  const a = { replica: 'a', solo: false }
  const alone = { replica: 'b', solo: true }
  monitor.attribute((service) => (service === 'pg' ? a : null))
  assert.deepEqual(await checkers(), [
    ['pg', a],
    ['mq', null],
  ])
  assert.deepEqual((await get('/health/pg')).json().checkedBy, a)
  monitor.attribute(() => alone)
  assert.deepEqual((await get('/health/pg')).json().checkedBy, alone)
  assert.deepEqual((await get('/health/mq')).json().checkedBy, alone)
  put([sampleService('new', ['db:5432'])])
  assert.deepEqual(await checkers(), [['new', alone]], 'a service that is added later has the same')
})

test('before the first check every time is null and the sentence says so', async (t) => {
  const { get } = await build(t, [sampleService('pg', ['db:5432'])])
  const { since, checkedAt, targets } = (await get('/health/pg')).json()
  assert.deepEqual([since, checkedAt], [null, null])
  const { reason, message, latencyMs, synRetransmits, address, streak, streakVerdict, ...rest } = targets[0]
  assert.deepEqual([reason, latencyMs, synRetransmits, address, streakVerdict], [null, null, null, null, null])
  assert.deepEqual([message, streak, rest.since, rest.checkedAt], ['not checked yet', 0, null, null])
})

test('every change of a target shows in the very next answer', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, sweep } = await build(t, [sampleService('pg', ['db:5432'], { fall: 1, rise: 1 })], { clock, prober })
  const statuses: unknown[] = []
  for (const reason of ['connected', 'timeout', 'local', 'connected'] as const) {
    const swept = sweep()
    prober.answer({ reason })
    await swept
    clock.advance(1)
    const response = await get('/health/pg')
    const [target] = response.json().targets
    statuses.push([response.statusCode, response.json().status, target.reason, target.streak])
  }
  assert.deepEqual(statuses, [
    [200, 'up', 'connected', 1],
    [503, 'down', 'timeout', 1],
    [503, 'down', 'local', 1],
    [200, 'up', 'connected', 1],
  ])
})

test('a status that was not confirmed for too long is unknown, and the sentence says for how long', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, sweep } = await build(t, [sampleService('pg', ['db:5432'])], { clock, prober })
  const swept = sweep()
  prober.answer()
  await swept
  assert.equal((await get('/health/pg')).statusCode, 200)
  const messages: string[] = []
  for (const ms of [32_001, 60_000]) {
    clock.advance(ms)
    const response = await get('/health/pg')
    assert.deepEqual([response.statusCode, response.json().status], [503, 'unknown'])
    messages.push(response.json().targets[0].message)
  }
  const sentence = (age: string) =>
    `up when last confirmed ${age} s ago, which is too long ago; last check: connected in 0.50 ms`
  assert.deepEqual(messages, [sentence('32.0'), sentence('92.0')])
})

test('a quorum is reported as it was written, also a count', async (t) => {
  for (const quorum of ['all', 'any', 2, '50%'] as const) {
    const { get } = await build(t, [sampleService('pg', ['a:1', 'b:1'], { quorum, groups: ['g'] })], {
      groups: { g: { quorum: 1 } },
    })
    assert.equal((await get('/health/pg')).json().quorum, String(quorum))
    assert.equal((await get('/health?group=g')).json().quorum, '1')
  }
})

test('every answer matches its schema and the document', async (t) => {
  const { target } = await listen(t)
  const services = [
    sampleService('fine', [target], { groups: ['some'] }),
    sampleService('halved', [target, nobody], { quorum: 1, groups: ['some'] }),
    sampleService('broken', [nobody]),
    sampleService('unseen', ['db:5432']),
    sampleService('asleep', [target], { interval: 'off' }),
    sampleService('drained', [target, nobody], { groups: ['drained'] }),
  ]
  for (const access of [{}, hidden]) {
    const built = await build(t, services, { access })
    await built.sweep('fine', 'halved', 'broken', 'drained')
    built.registry.setDrained(['drained'], true)
    await checkAnswers(built)
  }
})

async function checkAnswers({ get }: Built): Promise<void> {
  const document = (await get('/openapi.json')).json<OpenApi>()

  const sets = [
    '',
    '?verbose',
    '?group=some',
    '?group=some&degraded=503',
    '?exclude=nothing',
    '?quorum=50%25',
    '?group=drained',
  ]
  const one = ['fine', 'halved', 'broken', 'unseen', 'asleep', 'drained', 'halved?degraded=503']
  for (const accept of ['application/json', 'application/health+json', 'text/plain']) {
    for (const [path, urls, Report] of [
      ['/health', sets.map((query) => `/health${query}`), SetReport],
      ['/health/{service}', one.map((name) => `/health/${name}`), ServiceReport],
    ] as const) {
      for (const url of urls) {
        const response = await get(url, { accept })
        assertDocumented(document, path, response)
        assert.equal(response.headers['content-type'], `${accept}; charset=utf-8`)
        if (accept === 'application/json') Report.strict().parse(response.json())
        if (accept === 'application/health+json') HealthJson.strict().parse(response.json())
      }
    }
  }

  const problems = ['?quorum=x', '?group=nobody', '?quorum=9'].map((query) => `/health${query}`)
  for (const url of problems) {
    const response = await get(url)
    assertDocumented(document, '/health', response)
    Problem.strict().parse(response.json())
  }
  for (const [url, headers] of [
    ['/health/gone', {}],
    ['/health/fine?colour=red', {}],
    ['/health/unseen', { 'cache-control': 'only-if-cached' }],
  ] as const) {
    const response = await get(url, headers)
    assertDocumented(document, '/health/{service}', response)
    Problem.strict().parse(response.json())
  }
  for (const path of ['/livez', '/readyz', '/metrics']) assertDocumented(document, path, await get(path))
}

test('an address from a look-up reports the name that it came from', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const service = sampleService('pg', ['db:5432', '10.0.0.9:5432'], { resolve: 'all' })
  const { get, monitor } = await build(t, [service], { clock, prober })
  const state = monitor.services.get('pg') ?? assert.fail()
  const found = monitor.applyAddresses(state, new Map([['db:5432', ['10.0.0.7', 'fd00::7']]]))
  prober.answer()
  await found
  const targets = (await get('/health/pg')).json<ServiceReport>().targets
  assert.deepEqual(
    targets.map(({ target, resolvedFrom }) => [target, resolvedFrom]),
    [
      ['10.0.0.7:5432', 'db:5432'],
      ['[fd00::7]:5432', 'db:5432'],
      ['10.0.0.9:5432', null],
    ],
  )
})

test('a target that answered only after a lost SYN is up, with advice to look at the path', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { get, sweep } = await build(t, [sampleService('pg', ['db:5432'])], { clock, prober })
  const done = sweep()
  prober.answer({ latencyMs: 1003, synRetransmits: 1 })
  await done
  const adviceNow = async () => (await get('/health/pg')).json().targets[0].advice
  assert.match(await adviceNow(), /^packets are being lost on the way/)
  clock.advance(10 * 60_000)
  assert.equal(await adviceNow(), null, 'an old loss gives no advice, also in a cached answer')
})
