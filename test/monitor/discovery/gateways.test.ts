import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type GatewayNews, watchGateways } from '../../../src/monitor/discovery/gateways.ts'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

const behind = (gateway: string) => ({ answer: 'no-gateway', code: gateway }) as const

/** Creates two services behind gateways. One of them has two targets. */
function watchTwo(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const state = watch([sampleService('a', ['10.0.0.1:1', '10.0.0.2:1']), sampleService('b', ['10.0.0.3:1'])])
  const gateways = watchGateways(state)
  const told: GatewayNews[] = []
  gateways.news.subscribe((news) => told.push(news))
  const targets = [
    state.target('a', '10.0.0.1:1'),
    state.target('a', '10.0.0.2:1'),
    state.target('b', '10.0.0.3:1'),
  ] as const
  return { ...state, ...gateways, told, targets, passTime: () => t.mock.timers.tick(10_000) }
}

test('an unresponsive gateway is reported once with its services, and once more when it answers', async (t) => {
  const { checkOnce, targets, counts, told, passTime } = watchTwo(t)
  for (const target of targets) await checkOnce(target, 'local', behind('10.9.1.1'))
  assert.deepEqual([...counts()], [['10.9.1.1', 2]])
  assert.deepEqual(told, [])
  passTime()
  for (const target of targets) await checkOnce(target, 'local', behind('10.9.1.1'))
  passTime()
  assert.deepEqual(told, [{ gateway: '10.9.1.1', isSilent: true, services: 2 }])

  for (const target of targets.slice(1)) await checkOnce(target, 'connected')
  assert.deepEqual([...counts()], [['10.9.1.1', 1]])
  await checkOnce(targets[0], 'refused')
  assert.deepEqual([...counts()], [])
  passTime()
  assert.deepEqual(told.slice(1), [{ gateway: '10.9.1.1', isSilent: false, services: 0 }])
})

test('a gateway that answers again before it was reported is not reported', async (t) => {
  const { checkOnce, targets, told, passTime } = watchTwo(t)
  await checkOnce(targets[0], 'local', behind('10.9.1.1'))
  await checkOnce(targets[0], 'connected')
  passTime()
  assert.deepEqual(told, [])
})

test('a target counts only for the gateway of its last check', async (t) => {
  const { checkOnce, targets, counts } = watchTwo(t)
  await checkOnce(targets[0], 'local', behind('10.9.1.1'))
  await checkOnce(targets[1], 'local', behind('10.9.1.1'))
  await checkOnce(targets[0], 'local', behind('fe80::1%eth0'))
  assert.deepEqual(
    [...counts()],
    [
      ['10.9.1.1', 1],
      ['fe80::1%eth0', 1],
    ],
  )
})

test('other faults of Porthole count for no gateway', async (t) => {
  const { checkOnce, targets, counts } = watchTwo(t)
  await checkOnce(targets[0], 'local', { code: 'EMFILE' })
  await checkOnce(targets[1], 'unreachable', { answer: 'no-neighbour' })
  assert.deepEqual([...counts()], [])
})

test('a removed service no longer counts', async (t) => {
  const { checkOnce, targets, counts, registry } = watchTwo(t)
  for (const target of targets) await checkOnce(target, 'local', behind('10.9.1.1'))
  registry.replaceAll([sampleService('b', ['10.0.0.3:1'])], [])
  assert.deepEqual([...counts()], [['10.9.1.1', 1]])
  registry.replaceAll([], [])
  assert.deepEqual([...counts()], [])
})

test('a target that another replica has checked since no longer counts here', async (t) => {
  const { checkOnce, targets, counts, monitor, service, clock } = watchTwo(t)
  await checkOnce(targets[2], 'local', behind('10.9.1.1'))
  clock.advance(1000)
  const { health: before, emittedStatus, checks, failures, connectMs, synRetransmits, lossAt } = targets[2]
  const health = { ...before, lastOutcome: before.lastOutcome && { ...before.lastOutcome, endedAt: clock.now() } }
  const lookUps = { lookupTotalMs: 0, slowLookupAt: null }
  const found = { health, emittedStatus, checks, failures, connectMs, synRetransmits, lossAt, ...lookUps }
  monitor.adopt(service('b'), null, new Map([['10.0.0.3:1', found]]))
  assert.deepEqual([...counts()], [])
})
