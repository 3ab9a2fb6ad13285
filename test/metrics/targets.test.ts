import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nanosecondsOf } from '../../src/metrics/nanoseconds.ts'
import { build, holdChecks, listen, nobody, stoppedClock } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'
import { familyOf, readPage, rendered } from './page.ts'

test('services, groups and targets have the statuses of the monitor', async (t) => {
  const { target } = await listen(t)
  const services = [
    sampleService('fine', [target], { groups: ['good', 'mixed'] }),
    sampleService('halved', [target, nobody], { groups: ['good'], quorum: 'any' }),
    sampleService('broken', [nobody], { groups: ['mixed', 'lenient'] }),
    sampleService('unseen', ['db:5432'], { groups: ['lenient'] }),
  ]
  const built = await build(t, services, { groups: { mixed: { quorum: 'any' }, lenient: { quorum: 'any' } } })
  await built.sweep('fine', 'halved', 'broken')
  const { body } = await built.get('/metrics')
  assert.deepEqual(familyOf(body, 'porthole_service_up'), {
    '{service="fine"}': 1,
    '{service="halved"}': 1,
    '{service="broken"}': 0,
    '{service="unseen"}': 0,
  })
  assert.equal(familyOf(body, 'porthole_service_targets')['{service="halved"}'], 2)
  assert.equal(familyOf(body, 'porthole_service_targets_up')['{service="halved"}'], 1)
  assert.deepEqual(familyOf(body, 'porthole_group_up'), {
    '{group="good"}': 1,
    '{group="mixed"}': 1,
    '{group="lenient"}': 0,
  })
  const of = (service: string, name: string) => `{service="${service}",target="${name}"}`
  assert.deepEqual(familyOf(body, 'porthole_target_up'), {
    [of('fine', target)]: 1,
    [of('halved', target)]: 1,
    [of('halved', nobody)]: 0,
    [of('broken', nobody)]: 0,
    [of('unseen', 'db:5432')]: 0,
  })
  assert.deepEqual(familyOf(body, 'porthole_target_down_reason'), {
    [`{service="halved",target="${nobody}",reason="refused"}`]: 1,
    [`{service="broken",target="${nobody}",reason="refused"}`]: 1,
  })
  const { lastOutcome } = built.target('fine').health
  assert.ok(lastOutcome)
  const labels = of('fine', target)
  assert.equal(
    familyOf(body, 'porthole_target_connect_seconds')[labels],
    nanosecondsOf(Number(lastOutcome.latencyMs)) / 1e9,
  )
  const checkedAt = Math.round(built.clock.toEpoch(lastOutcome.endedAt)) / 1000
  assert.equal(familyOf(body, 'porthole_target_last_check_timestamp_seconds')[labels], checkedAt)
  assert.ok(Math.abs(checkedAt - Date.now() / 1000) < 60)
})

test('a target that got no answer has no handshake time, and a target that was never checked has no time of its last check', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { sweep, get } = await build(t, [sampleService('a', ['a:1']), sampleService('b', ['b:1'])], { clock, prober })
  const swept = sweep('a')
  prober.answer({ reason: 'timeout' })
  await swept
  const { body } = await get('/metrics')
  assert.deepEqual(familyOf(body, 'porthole_target_connect_seconds'), {})
  assert.deepEqual(Object.keys(familyOf(body, 'porthole_target_last_check_timestamp_seconds')), [
    '{service="a",target="a:1"}',
  ])
})

test('counters count every check, and only grow', async (t) => {
  const clock = stoppedClock()
  const prober = { ...holdChecks(clock), name: 'kernel' as const }
  const { sweep, get } = await build(t, [sampleService('pg', ['db:1'])], { clock, prober })
  const counters = ['checks', 'failures', 'connect_seconds', 'syn_retransmits']
  const read = async () => {
    const { body } = await get('/metrics')
    return counters.map((name) => familyOf(body, `porthole_target_${name}_total`)['{service="pg",target="db:1"}'])
  }
  const seen = [await read()]
  for (const outcome of [
    { reason: 'connected', latencyMs: 250, synRetransmits: 1 },
    { reason: 'timeout', synRetransmits: 3 },
    { reason: 'refused', latencyMs: 500 },
    { reason: 'dns', synRetransmits: null },
    { reason: 'local', synRetransmits: null },
    { reason: 'connected', latencyMs: 1000 },
  ] as const) {
    clock.advance(1000)
    const swept = sweep()
    prober.answer(outcome)
    await swept
    seen.push(await read())
  }
  // The latency of a refusal is no handshake time. A fault of Porthole is no failure of the target.
  assert.deepEqual(seen, [
    [0, 0, 0, 0],
    [1, 0, 0.25, 1],
    [2, 1, 0.25, 4],
    [3, 2, 0.25, 4],
    [4, 3, 0.25, 4],
    [5, 3, 0.25, 4],
    [6, 3, 1.25, 4],
  ])
})

test('a prober that cannot see SYNs shows no count of them, rather than a false 0', async (t) => {
  const { sweep, get } = await build(t, [sampleService('pg', [nobody])])
  await sweep()
  assert.deepEqual(familyOf((await get('/metrics')).body, 'porthole_target_syn_retransmits_total'), {})
})

test('a removed service, target or group leaves no series', async (t) => {
  const { target } = await listen(t)
  const services = (ofPg: string[]) => [sampleService('pg', ofPg, { groups: ['kept'] })]
  const gone = sampleService('gone', [nobody], { groups: ['left'] })
  const { sweep, get, put } = await build(t, [...services([target, nobody]), gone])
  await sweep()
  assert.match((await get('/metrics')).body, /"gone"/)
  assert.match((await get('/metrics')).body, /"left"/)
  put(services([target]))
  const { body } = await get('/metrics')
  assert.doesNotMatch(body, /"gone"|"left"|127\.0\.0\.1:1"/)
  assert.equal(familyOf(body, 'porthole_service_targets')['{service="pg"}'], 1)
  assert.equal(familyOf(body, 'porthole_target_checks_total')[`{service="pg",target="${target}"}`], 1)
})

test('a stale target is not up, and its reason is local, unless it is checked only on request', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { sweep, get } = await build(
    t,
    [sampleService('pg', ['db:1']), sampleService('asleep', ['db:1'], { interval: 'off' })],
    { clock, prober },
  )
  const swept = sweep()
  prober.answer()
  await swept
  clock.advance(3_600_000)
  const { body } = await get('/metrics')
  assert.deepEqual(familyOf(body, 'porthole_target_up'), {
    '{service="pg",target="db:1"}': 0,
    '{service="asleep",target="db:1"}': 0,
  })
  assert.deepEqual(familyOf(body, 'porthole_target_down_reason'), {
    '{service="pg",target="db:1",reason="local"}': 1,
  })
})

test('two scrapes at once get complete and equal pages', async (t) => {
  const { target } = await listen(t)
  const { sweep, metrics } = await build(t, [sampleService('a', [target, nobody]), sampleService('b', [nobody])])
  await sweep()
  const [one, two] = await Promise.all([rendered(metrics), rendered(metrics)])
  assert.deepEqual(readPage(one), readPage(two))
  assert.equal(Object.keys(familyOf(one, 'porthole_target_up')).length, 3)
})

test('a name whose look-up fails has a series until it succeeds, and the times of look-ups are summed', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const { sweep, get } = await build(t, [sampleService('pg', ['db:5432'])], { clock, prober })
  const read = async () => {
    const { body } = await get('/metrics')
    const names = ['lookup_failing', 'lookup_seconds_total']
    return names.map((name) => familyOf(body, `porthole_target_${name}`)['{service="pg",target="db:5432"}'])
  }
  const seen = [await read()]
  for (const outcome of [
    { lookupMs: 250 },
    { lookupMs: 500, lookupFailedSince: 1000 },
    { lookupMs: null, lookupFailedSince: null },
  ]) {
    clock.advance(1000)
    const swept = sweep()
    prober.answer({ reason: 'connected', ...outcome })
    await swept
    seen.push(await read())
  }
  assert.deepEqual(seen, [
    [undefined, undefined],
    [undefined, 0.25],
    [1, 0.75],
    [undefined, 0.75],
  ])
})
