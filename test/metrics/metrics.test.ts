import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Reason, reasons } from '../../src/domain/check/outcome.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { build, holdChecks, listen, nobody, stoppedClock } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'
import { familyOf, readPage, rendered } from './page.ts'
import { assertAccepted, noPromtool } from './promtool.ts'

const streams = { stats: () => ({ open: 0, dropped: 0 }) }

test('promtool finds no problem in a busy page with names of every kind', { skip: noPromtool }, async (t) => {
  const { target } = await listen(t)
  const names = [
    'plain',
    'two words',
    'a"b',
    'a\\b',
    '\\',
    'a\\nb',
    '{x="y"}',
    '<img src=x>',
    '数据库 🐘',
    '# HELP',
    '%',
    ' ',
  ]
  const services = names.map((name) => sampleService(name, [target, nobody], { groups: [name], quorum: 'any' }))
  const built = await build(t, [...services, sampleService('unseen', ['db:1', '[::1]:1'])])
  await built.sweep(...names)
  built.registry.setDrained(names.slice(0, 6), true)
  for (const url of ['/health', '/health/plain', '/nope', '/health?quorum=x', '/docs', '/livez?verbose'])
    await built.get(url)
  const { monitor, registry, clock } = built
  const parts = { monitor, registry, clock, retryingStore: null, streams, prober: 'portable' } as const
  const metrics = createMetrics({ ...parts, version: '1.2.3-"quoted"' })
  metrics.configReloaded(true, Date.now())
  for (const page of [(await built.get('/metrics')).body, await rendered(metrics)]) assertAccepted(page)
})

test('the page is 200 when everything is down, and names its format', async (t) => {
  const { get, sweep, app } = await build(t, [sampleService('broken', [nobody])])
  await sweep()
  const { statusCode, headers, body } = await get('/metrics')
  assert.deepEqual([statusCode, headers['content-type']], [200, 'text/plain; version=0.0.4; charset=utf-8'])
  assert.ok(body.endsWith('\n'))
  const head = await app.inject({ method: 'HEAD', url: '/metrics' })
  assert.deepEqual([head.statusCode, head.body], [200, ''])
})

test('the help of a cached gauge says so, and names the series that tells its age', async (t) => {
  const { metrics } = await build(t)
  const page = await rendered(metrics)
  for (const name of ['service_up', 'service_targets_up', 'group_up', 'target_up'])
    assert.match(page, new RegExp(`# HELP porthole_${name} .* porthole_target_last_check_timestamp_seconds tells when`))
})

test('checks are counted by reason: every reason has its series from the start, and there are no others', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { metrics, sweep } = await build(t, [sampleService('pg', ['db:1'])], { clock, prober })
  const series = (counts: Partial<Record<Reason, number>>) =>
    Object.fromEntries(reasons.map((reason) => [`{reason="${reason}"}`, counts[reason] ?? 0]))
  assert.deepEqual(familyOf(await rendered(metrics), 'porthole_checks_total'), series({}))
  for (const reason of reasons) {
    const swept = sweep()
    prober.answer({ reason, code: `E${reason}` })
    await swept
  }
  const each = Object.fromEntries(reasons.map((reason) => [reason, 1]))
  assert.deepEqual(familyOf(await rendered(metrics), 'porthole_checks_total'), series(each))
})

test('checks under way are counted until they end', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { metrics, sweep } = await build(t, [sampleService('pg', ['db:1', 'db:2'])], { clock, prober })
  const inFlight = async () => familyOf(await rendered(metrics), 'porthole_checks_in_flight')['']
  const swept = sweep()
  assert.equal(await inFlight(), 2)
  prober.answer()
  await swept
  assert.equal(await inFlight(), 0)
})

test('lateness counts scheduled checks only, from the time they are due', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { metrics, monitor, target } = await build(t, [sampleService('pg', ['db:1'])], { clock, prober })
  const check = (due: number | null) => {
    if (due === null) void monitor.check(target('pg'))
    else monitor.checkOnSchedule(target('pg'), due)
    prober.answer({ startedAt: clock.now() })
  }
  check(null)
  check(clock.now() - 3000)
  // A timer may fire a little early.
  check(clock.now() + 1)
  const page = await rendered(metrics)
  assert.equal(familyOf(page, 'porthole_check_lateness_seconds_count')[''], 2)
  assert.equal(familyOf(page, 'porthole_check_lateness_seconds_sum')[''], 3)
})

test('skipped checks are counted', async (t) => {
  const prober = holdChecks(stoppedClock())
  const { metrics, monitor, target } = await build(t, [sampleService('pg', [nobody])], { prober })
  const skipped = async () => familyOf(await rendered(metrics), 'porthole_skipped_checks_total')['']
  assert.equal(await skipped(), 0)
  for (let beats = 0; beats < 3; beats++) monitor.checkOnSchedule(target('pg'), 0)
  assert.deepEqual([await skipped(), await skipped()], [2, 2])
})

test('an event stream is not timed, because its duration says nothing about how fast Porthole answers', async (t) => {
  const { app, metrics } = await build(t)
  const { statusCode } = await app.inject({ method: 'HEAD', url: '/v1/events' })
  assert.equal(statusCode, 200)
  assert.ok(!(await rendered(metrics)).includes('/v1/events'))
})

test('requests are timed by route, never by path, so that paths that callers invent make no series', async (t) => {
  const { get, metrics } = await build(t, [sampleService('pg', [nobody])])
  for (const url of ['/health/pg', '/health/a', '/health/b?x=1', '/x', '/y/z']) await get(url)
  const counts = familyOf(await rendered(metrics), 'porthole_http_request_duration_seconds_count')
  assert.deepEqual(counts, {
    '{method="GET",route="/health/:service",status_code="503"}': 1,
    '{method="GET",route="/health/:service",status_code="404"}': 1,
    '{method="GET",route="/health/:service",status_code="400"}': 1,
    '{method="GET",route="none",status_code="404"}': 2,
  })
})

test('the metrics tell whether the last reload of the configuration succeeded, and when the one in force was read', async (t) => {
  const { metrics } = await build(t)
  const read = async () => {
    const page = await rendered(metrics)
    return ['successful', 'success_timestamp_seconds'].map(
      (name) => familyOf(page, `porthole_config_last_reload_${name}`)[''],
    )
  }
  metrics.configReloaded(true, 1000_000)
  assert.deepEqual(await read(), [1, 1000])
  metrics.configReloaded(false, 2000_000)
  assert.deepEqual(await read(), [0, 1000])
  metrics.configReloaded(true, 3000_000)
  assert.deepEqual(await read(), [1, 3000])
})

test('the page has the version of Porthole, and metrics of the Node.js process only with `runtime`', async (t) => {
  const { monitor, registry, clock } = await build(t)
  const parts = {
    monitor,
    registry,
    clock,
    retryingStore: null,
    streams,
    prober: 'portable',
    version: '1.2.3',
  } as const
  const bare = await rendered(createMetrics(parts, { runtime: false }))
  const labels = `{version="1.2.3",node="${process.version}",prober="portable"}`
  assert.deepEqual(familyOf(bare, 'porthole_build_info'), { [labels]: 1 })
  assert.ok([...readPage(bare).keys()].every((name) => name.startsWith('porthole_')))
  const full = await rendered(createMetrics(parts))
  assert.ok(readPage(full).has('process_resident_memory_bytes'))
})

test('an unresponsive gateway has a series until it answers, and callers who see no targets never get it', async (t) => {
  const { monitor, registry, clock } = await build(t)
  const silent = new Map([['10.9.1.1', 300]])
  const gateways = { counts: () => silent }
  const parts = {
    monitor,
    registry,
    clock,
    retryingStore: null,
    streams,
    prober: 'kernel',
    version: '1.2.3',
    gateways,
  } as const
  const metrics = createMetrics(parts, { runtime: false })
  const name = 'porthole_gateway_silent_services'
  assert.deepEqual(familyOf(await rendered(metrics), name), { '{gateway="10.9.1.1"}': 300 })
  assert.ok(!(await rendered(metrics, { targets: false })).includes(name))
  silent.clear()
  assert.deepEqual(familyOf(await rendered(metrics), name), {})
})

test('the help of a delay of the event loop says that the period of its timer is included', async (t) => {
  const { monitor, registry, clock } = await build(t)
  const parts = {
    monitor,
    registry,
    clock,
    retryingStore: null,
    streams,
    prober: 'portable',
    version: '1.2.3',
  } as const
  const page = await rendered(createMetrics(parts))
  for (const what of ['min', 'max', 'mean', 'p50', 'p90', 'p99']) {
    const name = `nodejs_eventloop_lag_${what}_seconds`
    assert.match(page, new RegExp(`# HELP ${name} .* Includes the period of the timer that measures it, 0\\.05 s`))
  }
})

test('ICMP errors are counted by version, type and code', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { sweep, metrics } = await build(t, [sampleService('pg', ['db:5432'])], { clock, prober })
  for (let round = 0; round < 2; round++) {
    const done = sweep()
    prober.answer({ reason: 'rejected', icmp: { version: 4, type: 3, code: 13, from: '10.0.0.1' } })
    await done
  }
  assert.match(await rendered(metrics), /^porthole_icmp_errors_total\{version="4",type="3",code="13"\} 2$/m)
})
