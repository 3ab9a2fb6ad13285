import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HealthJson } from '../../../src/http/health/health-json.ts'
import { build, listen, nobody } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'

const accept = 'application/health+json'

test('pass and warn come with 2xx, fail with 5xx: for every status, and for degraded as the caller sees it', async (t) => {
  const { target } = await listen(t)
  const { get, sweep, registry } = await build(t, [
    sampleService('fine', [target], { groups: ['fine'] }),
    sampleService('halved', [target, nobody], { quorum: 'any', groups: ['halved'] }),
    sampleService('broken', [nobody], { groups: ['broken'] }),
    sampleService('unseen', [nobody], { groups: ['unseen'] }),
    sampleService('drained', [target], { groups: ['drained'] }),
  ])
  registry.setDrained(['drained'], true)
  await sweep('fine', 'halved', 'broken', 'drained')
  const expected = {
    fine: [200, 'pass'],
    'fine&degraded=503': [200, 'pass'],
    halved: [200, 'warn'],
    'halved&degraded=200': [200, 'warn'],
    'halved&degraded=503': [503, 'fail'],
    broken: [503, 'fail'],
    unseen: [503, 'fail'],
    drained: [503, 'fail'],
  }
  for (const [asked, answer] of Object.entries(expected)) {
    for (const url of [`/health?group=${asked}`, `/health/${asked.replace('&', '?')}`]) {
      const response = await get(url, { accept })
      assert.deepEqual([response.statusCode, response.json().status], answer, url)
    }
  }
})

test('a service has one key, with an array of one element for each target', async (t) => {
  const { target } = await listen(t)
  const { get, sweep } = await build(t, [sampleService('halved', [target, nobody], { quorum: 'any' })])
  await sweep()
  const { checks, output, ...rest } = (await get('/health/halved', { accept })).json<HealthJson>()
  assert.deepEqual(rest, { status: 'warn', serviceId: 'halved', description: '1 of 2 targets up, quorum any' })
  assert.match(output ?? '', /^127\.0\.0\.1:1: refused in /)
  const [up, down, ...more] = checks['halved:responseTime'] ?? []
  assert.deepEqual([Object.keys(checks).length, more], [1, []])
  assert.deepEqual(
    [up?.componentId, up?.componentType, up?.status, up?.observedUnit],
    [target, 'component', 'pass', 'ms'],
  )
  assert.ok(Number(up?.observedValue) > 0 && Date.parse(up?.time ?? '') <= Date.now())
  assert.deepEqual([down?.componentId, down?.status], [nobody, 'fail'])
  assert.match(down?.output ?? '', /^refused in /)
})

test('output is absent on a pass, and present on any other result', async (t) => {
  const { target } = await listen(t)
  const { get, sweep } = await build(t, [
    sampleService('fine', [target], { groups: ['fine'] }),
    sampleService('broken', [nobody]),
  ])
  await sweep()
  for (const url of ['/health/fine', '/health?group=fine&verbose']) {
    const answer = (await get(url, { accept })).json<HealthJson>()
    assert.deepEqual([answer.status, 'output' in answer], ['pass', false], url)
    assert.deepEqual(
      Object.values(answer.checks)
        .flat()
        .map((check) => 'output' in check),
      [false],
      url,
    )
  }
  assert.equal((await get('/health?verbose', { accept })).json<HealthJson>().output, 'broken is down')
})

test('a drained service fails with its drain first; a set lists it beside its faults, and passes with it alone', async (t) => {
  const { target } = await listen(t)
  const { get, sweep, registry } = await build(t, [
    sampleService('pg', [target, nobody], { quorum: 'any', groups: ['planned'] }),
    sampleService('fine', [target], { groups: ['planned'] }),
    sampleService('broken', [nobody]),
  ])
  await sweep()
  registry.setDrained(['pg'], true)
  const ask = async (url: string) => (await get(url, { accept })).json<HealthJson>()
  const { checks, output, ...rest } = await ask('/health/pg')
  assert.deepEqual(rest, { status: 'fail', serviceId: 'pg', description: '1 of 2 targets up, quorum any' })
  assert.match(output ?? '', /^draining: taken out of service by its operator; 127\.0\.0\.1:1: refused in /)
  assert.deepEqual(
    checks['pg:responseTime']?.map(({ status }) => status),
    ['pass', 'fail'],
  )
  const set = await ask('/health')
  assert.deepEqual([set.status, set.output], ['fail', 'broken is down; pg is draining'])
  assert.equal(set.description, '1 up, 0 degraded, 1 down, 0 unknown, 1 draining, quorum all')
  const planned = await ask('/health?group=planned')
  assert.deepEqual([planned.status, 'output' in planned], ['pass', false])
})

test('every key has exactly one colon, and no two services share one', async (t) => {
  const names = ['a:b', 'a%3Ab', 'a%253Ab', 'a::b', ':', '%', 'plain', '__proto__']
  const { get } = await build(
    t,
    names.map((name) => sampleService(name, [nobody])),
  )
  const { checks } = (await get('/health', { accept })).json<HealthJson>()
  const keys = Object.keys(checks)
  assert.equal(keys.length, names.length)
  for (const key of keys) assert.match(key, /^[^:]+:responseTime$/)
})

test('a target that was never checked has no time and no value', async (t) => {
  const { get } = await build(t, [sampleService('unseen', [nobody])])
  const { checks } = (await get('/health/unseen', { accept })).json<HealthJson>()
  assert.deepEqual(checks['unseen:responseTime'], [
    {
      componentId: nobody,
      componentType: 'component',
      status: 'fail',
      observedValue: null,
      observedUnit: 'ms',
      output: 'not checked yet',
    },
  ])
})

test('a service that is up is a pass without output while an added target is not checked yet', async (t) => {
  const { target } = await listen(t)
  const { get, sweep, registry } = await build(t, [sampleService('pg', [target])])
  await sweep()
  registry.replaceAll([sampleService('pg', [target, nobody])], [])
  const { checks, ...rest } = (await get('/health/pg', { accept })).json<HealthJson>()
  assert.deepEqual(rest, { status: 'pass', serviceId: 'pg', description: '1 of 2 targets up, quorum all' })
  assert.deepEqual(
    Object.values(checks)
      .flat()
      .map(({ output }) => output),
    [undefined, 'added, not checked yet: it counts after its first check'],
  )
})
