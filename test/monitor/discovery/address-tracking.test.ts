import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Service } from '../../../src/domain/service/service.ts'
import {
  type AddressesChange,
  createAddressTracking,
  type LookUpChange,
} from '../../../src/monitor/discovery/address-tracking.ts'
import { createScheduler } from '../../../src/monitor/scheduling/scheduler.ts'
import { currentStatusOf } from '../../../src/monitor/state/state.ts'
import { sampleService } from '../../support/samples.ts'
import { fakeResolver, watch } from '../fakes.ts'

type Settings = NonNullable<Parameters<typeof sampleService>[2]>

/** Returns a service with all addresses of its names. An address leaves as soon as an answer leaves it out. */
const all = (targets: readonly string[], settings: Settings = {}) =>
  sampleService('pg', targets, { resolve: 'all', hold: 0, ...settings })
/** Returns the same, with the default hold. */
const allHeld = (targets: readonly string[], settings: Settings = {}) =>
  sampleService('pg', targets, { resolve: 'all', ...settings })

/** Creates a monitor and its address tracking with a fake resolver. The test starts the look-ups. */
function follow(services: readonly Service[], maxAddresses?: number) {
  const world = watch(services)
  const { monitor, registry, clock, prober, service, transitions } = world
  const resolver = fakeResolver()
  const addressTracking = createAddressTracking({
    monitor,
    registry,
    resolver,
    clock,
    ...(maxAddresses && { maxAddresses }),
  })
  const changes: AddressesChange[] = []
  addressTracking.changed.subscribe((change) => changes.push(change))
  const lookUpChanges: LookUpChange[] = []
  addressTracking.lookUps.subscribe((change) => lookUpChanges.push(change))
  /** Makes every look-up, and begins to check the new addresses. */
  async function lookUp(): Promise<void> {
    clock.advance(11_000)
    addressTracking.lookUpDue()
    await setImmediate()
  }
  return {
    ...world,
    resolver,
    addressTracking,
    changes,
    /** Returns the news of failing look-ups since the last call. */
    lookUpNews: () => lookUpChanges.splice(0).map(({ service, target, failure }) => `${service} ${target} ${failure}`),
    names: (of = 'pg') => service(of).targets.map(({ target }) => target.name),
    status: (of = 'pg') => currentStatusOf(service(of), clock.now()).status,
    /** Returns the transitions since the last call. */
    news: () => transitions.splice(0).map(({ target, from, to }) => `${target ?? 'service'} ${from} → ${to}`),
    lookUp,
    /** Does the same, and ends the checks of new addresses. */
    async lookUpAndCheck(reason: 'connected' | 'refused' = 'connected') {
      await lookUp()
      await prober.answerAll(reason)
    },
  }
}

test('a name is the target until its first look-up, and then each of its addresses is a target', async () => {
  const { resolver, names, status, news, lookUp, lookUpAndCheck, service, prober, changes } = follow([all(['db:5432'])])
  assert.deepEqual(names(), ['db:5432'])
  assert.equal(status(), 'unknown')
  resolver.say('db', ['fd00::1', '10.0.0.10', '10.0.0.9'])
  await lookUp()
  assert.deepEqual(names(), ['db:5432'])
  await prober.answerAll('connected')
  const found = ['10.0.0.9:5432', '10.0.0.10:5432', '[fd00::1]:5432']
  assert.deepEqual(names(), found)
  assert.equal(status(), 'up')
  for (const { target, checks, health, retired } of service('pg').targets) {
    assert.equal(target.resolvedFrom, 'db:5432')
    assert.deepEqual([checks, health.status, health.streak?.count, retired], [1, 'up', 1, false])
  }
  assert.deepEqual(news(), [...found.map((name) => `${name} unknown → up`), 'service unknown → up'])
  assert.deepEqual(changes, [{ service: 'pg', joined: found, left: ['db:5432'], leftOut: 0 }])
  await lookUpAndCheck()
  assert.equal(changes.length, 1)
})

test('addresses join and leave, and addresses that stay keep their state', async () => {
  const { resolver, names, target, lookUpAndCheck, service, checkOnce, changes } = follow([all(['db:1'])])
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  const [first, second] = service('pg').targets
  assert.ok(first && second)
  await checkOnce(second, 'connected')
  resolver.say('db', ['10.0.0.3', '10.0.0.2'])
  await lookUpAndCheck()
  assert.deepEqual(names(), ['10.0.0.2:1', '10.0.0.3:1'])
  assert.equal(target('pg', '10.0.0.2:1'), second)
  assert.equal(second.health.streak?.count, 2)
  assert.deepEqual([first.retired, second.retired], [true, false])
  assert.deepEqual(changes.at(-1), { service: 'pg', joined: ['10.0.0.3:1'], left: ['10.0.0.1:1'], leftOut: 0 })
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  assert.notEqual(target('pg', '10.0.0.1:1'), first)
})

test('neither a new address nor the replacement of all addresses makes a service unknown', async () => {
  const { resolver, status, news, lookUp, lookUpAndCheck, names, prober } = follow([all(['db:1'], { quorum: 'all' })])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  news()
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUp()
  assert.equal(status(), 'up')
  await prober.answerAll('connected')
  assert.equal(status(), 'up')
  assert.deepEqual(news(), ['10.0.0.2:1 unknown → up'])
  resolver.say('db', ['10.0.0.3', '10.0.0.4'])
  await lookUp()
  await prober.pending('10.0.0.3:1').answer('connected')
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.2:1'])
  await prober.pending('10.0.0.4:1').answer('connected')
  assert.deepEqual(names(), ['10.0.0.3:1', '10.0.0.4:1'])
  assert.deepEqual(news(), ['10.0.0.3:1 unknown → up', '10.0.0.4:1 unknown → up'])
})

test('a new address that does not answer counts as down after its first check', async () => {
  const { resolver, status, news, lookUpAndCheck } = follow([all(['db:1'])])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  news()
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck('refused')
  assert.equal(status(), 'down')
  assert.deepEqual(news(), ['10.0.0.2:1 unknown → down', 'service up → down'])
})

test('while look-ups fail, the last known addresses stay', async () => {
  const { resolver, names, lookUp, lookUpAndCheck, changes, prober } = follow([all(['db:1'])])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  const { length } = prober.begun
  for (const failure of ['EAI_AGAIN', null, 'EAI_FAIL', 'EAI_AGAIN']) {
    resolver.say('db', failure)
    await lookUp()
    assert.deepEqual(names(), ['10.0.0.1:1'])
  }
  assert.equal(changes.length, 1)
  assert.equal(prober.begun.length, length)
})

test('if hold is not set, an address leaves at the third answer in a row without it', async () => {
  const { resolver, names, lookUpAndCheck, changes } = follow([allHeld(['db:1'])])
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  resolver.say('db', ['10.0.0.2'])
  await lookUpAndCheck()
  await lookUpAndCheck()
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  resolver.say('db', ['10.0.0.2'])
  await lookUpAndCheck()
  await lookUpAndCheck()
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.2:1'])
  await lookUpAndCheck()
  assert.deepEqual(names(), ['10.0.0.2:1'])
  assert.equal(changes.length, 2)
})

test('a name server that returns three of eight addresses at a time leaves eight targets, which keep their state', async () => {
  const { resolver, service, names, lookUpAndCheck, changes, target, checkOnce } = follow([
    allHeld(['db:1'], { hold: 300_000 }),
  ])
  const ips = Array.from({ length: 8 }, (_, n) => `10.0.0.${n + 1}`)
  const answer = (n: number) => [0, 1, 2].map((at) => ips[(n * 5 + at * 3) % 8] ?? '')
  for (let n = 0; n < 8; n++) {
    resolver.say('db', answer(n))
    await lookUpAndCheck()
  }
  const all = ips.map((ip) => `${ip}:1`)
  assert.deepEqual(names(), all)
  const { length } = changes
  const before = service('pg').targets
  for (let n = 0; n < 40; n++) {
    for (const name of all) await checkOnce(target('pg', name), 'connected')
    resolver.say('db', answer(n))
    await lookUpAndCheck()
  }
  assert.deepEqual([names(), changes.length], [all, length])
  assert.deepEqual(service('pg').targets, before)
  for (const { checks } of before) assert.ok(checks > 40, `${checks} checks`)
})

test('when all addresses are replaced, the old ones are checked until their hold ends', async () => {
  const { resolver, names, status, news, lookUpAndCheck, checkOnce, target } = follow([
    allHeld(['db:1'], { quorum: 1, hold: 30_000 }),
  ])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  news()
  resolver.say('db', ['10.0.0.2'])
  await lookUpAndCheck()
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.2:1'])
  for (let n = 0; n < 3; n++) await checkOnce(target('pg', '10.0.0.1:1'), 'refused')
  assert.equal(status(), 'degraded')
  assert.deepEqual(news(), ['10.0.0.2:1 unknown → up', '10.0.0.1:1 up → down', 'service up → degraded'])
  await lookUpAndCheck()
  assert.equal(names().length, 2)
  await lookUpAndCheck()
  assert.deepEqual([names(), status()], [['10.0.0.2:1'], 'up'])
})

test('held addresses do not displace addresses of the answer', async () => {
  const { resolver, names, lookUpAndCheck } = follow([allHeld(['db:1'])], 3)
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  resolver.say('db', ['10.0.0.8', '10.0.0.9', '10.0.0.1'])
  await lookUpAndCheck()
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.8:1', '10.0.0.9:1'])
  resolver.say('db', ['10.0.0.6', '10.0.0.7'])
  await lookUpAndCheck()
  assert.equal(names().length, 3)
  assert.deepEqual(names().slice(1), ['10.0.0.6:1', '10.0.0.7:1'])
})

test('while look-ups fail, the last addresses stay for lookupHold, and then the name is the target', async () => {
  const { resolver, names, lookUp, lookUpAndCheck, prober, service, status } = follow([
    all(['db:1'], { lookupHold: 60_000 }),
  ])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  assert.equal(service('pg').failingLookUps?.size, 0)
  resolver.say('db', 'EAI_AGAIN')
  await lookUp()
  const since = service('pg').failingLookUps?.get('db:1')
  assert.ok(since !== undefined)
  for (let n = 0; n < 5; n++) await lookUp()
  assert.deepEqual(names(), ['10.0.0.1:1'])
  assert.equal(service('pg').failingLookUps?.get('db:1'), since)
  await lookUp()
  await prober.pending('db:1').answer('local', { address: null, code: 'EAI_AGAIN' })
  assert.deepEqual([names(), status()], [['db:1'], 'unknown'])
  assert.equal(service('pg').failingLookUps?.get('db:1'), since)
  resolver.say('db', ['10.0.0.2'])
  await lookUpAndCheck()
  assert.deepEqual([names(), status(), service('pg').failingLookUps?.size], [['10.0.0.2:1'], 'up', 0])
})

test('while look-ups fail, the checks of the last addresses report since when', async () => {
  const { resolver, clock, lookUp, lookUpAndCheck, checkOnce, target, prober } = follow([
    all(['db:1', '10.9.9.9:1'], { lookupHold: 20_000 }),
  ])
  const check = async (name: string) => {
    await checkOnce(target('pg', name), 'connected')
    const { note, lookupFailedSince } = target('pg', name).health.lastOutcome ?? assert.fail()
    return [note, lookupFailedSince]
  }
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  assert.deepEqual(await check('10.0.0.1:1'), [null, null])
  resolver.say('db', 'EAI_AGAIN')
  await lookUp()
  const since = clock.now()
  await lookUp()
  const time = new Date(clock.toEpoch(since)).toISOString().slice(11, 16)
  const held = `the name has not resolved since ${time} UTC; checking the last known address`
  assert.deepEqual(await check('10.0.0.1:1'), [held, since])
  assert.deepEqual(await check('10.9.9.9:1'), [null, null])
  await lookUp()
  await prober.pending('db:1').answer('local', { address: null, code: 'EAI_AGAIN' })
  const { note, lookupFailedSince } = target('pg', 'db:1').health.lastOutcome ?? assert.fail()
  assert.deepEqual([note, lookupFailedSince], [null, since])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  assert.deepEqual(await check('10.0.0.1:1'), [null, null])
})

test('failing look-ups of a name are reported once, and so is their recovery', async () => {
  const { resolver, names, lookUp, lookUpAndCheck, lookUpNews } = follow([all(['a:1', 'b:1'])])
  resolver.say('a', ['10.0.0.1'])
  resolver.say('b', ['10.0.0.2'])
  await lookUpAndCheck()
  assert.deepEqual(lookUpNews(), [])
  resolver.say('b', 'EAI_AGAIN')
  await lookUp()
  assert.deepEqual(lookUpNews(), ['pg b:1 EAI_AGAIN'])
  for (const failure of ['EAI_AGAIN', null, 'EAI_FAIL']) {
    resolver.say('b', failure)
    await lookUp()
  }
  assert.deepEqual(lookUpNews(), [])
  resolver.say('a', null)
  await lookUp()
  assert.deepEqual(lookUpNews(), ['pg a:1 timeout'])
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.2:1'])
  resolver.say('a', ['10.0.0.1'])
  // The answer that a name does not exist is an answer too.
  resolver.say('b', 'ENOTFOUND')
  await lookUp()
  assert.deepEqual(lookUpNews(), ['pg a:1 null', 'pg b:1 null'])
  await lookUp()
  assert.deepEqual(lookUpNews(), [])
})

test('a name whose first look-up fails is reported too', async () => {
  const { resolver, lookUp, lookUpNews } = follow([all(['db:1'])])
  resolver.say('db', 'EAI_AGAIN')
  await lookUp()
  assert.deepEqual(lookUpNews(), ['pg db:1 EAI_AGAIN'])
})

test('look-ups that end because Porthole stops or the service is gone are not reported', async () => {
  for (const end of ['stop', 'remove']) {
    const { resolver, registry, addressTracking, lookUp, lookUpNews } = follow([all(['db:1'])])
    resolver.say('db', null)
    const release = resolver.hold()
    await lookUp()
    if (end === 'stop') addressTracking.stop()
    else registry.replaceAll([], [])
    release()
    await setImmediate()
    assert.equal(resolver.asked.length, 1)
    assert.deepEqual(lookUpNews(), [], end)
  }
})

test('a name that was never resolved stays the target', async () => {
  const { resolver, names, lookUp, changes } = follow([all(['db:1'])])
  for (const failure of ['EAI_AGAIN', null, 'ENOTFOUND', 'ENOTFOUND', 'ENOTFOUND', 'ENOTFOUND']) {
    resolver.say('db', failure)
    await lookUp()
    assert.deepEqual(names(), ['db:1'])
  }
  assert.deepEqual(changes, [])
})

test('a name that no longer has an address is the target after `fall` answers without one', async () => {
  const { resolver, names, status, news, lookUp, lookUpAndCheck, prober, checkOnce, target } = follow([
    all(['db:1'], { fall: 2 }),
  ])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  resolver.say('db', 'ENOTFOUND')
  await lookUp()
  resolver.say('db', ['10.0.0.1'])
  await lookUp()
  resolver.say('db', 'ENOTFOUND')
  await lookUp()
  assert.deepEqual(names(), ['10.0.0.1:1'])
  await checkOnce(target('pg', '10.0.0.1:1'), 'connected')
  news()
  await lookUp()
  await prober.pending('db:1').answer('dns', { address: null })
  assert.deepEqual(names(), ['db:1'])
  assert.equal(status(), 'down')
  assert.deepEqual(news(), ['db:1 unknown → down', 'service up → down'])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  assert.deepEqual(news(), ['10.0.0.1:1 unknown → up', 'service down → up'])
})

test('a quorum above the number of configured targets is not missed before the names are looked up', async () => {
  const { resolver, status, news, lookUpAndCheck, checkOnce, target } = follow([all(['db:1'], { quorum: 3 })])
  assert.equal(status(), 'unknown')
  await checkOnce(target('pg', 'db:1'), 'connected')
  assert.equal(status(), 'unknown')
  resolver.say('db', ['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  await lookUpAndCheck()
  assert.equal(status(), 'up')
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  assert.equal(status(), 'down')
  assert.deepEqual(
    news().filter((line) => line.startsWith('service')),
    ['service unknown → up', 'service up → down'],
  )
})

test('a quorum above the number of configured targets is missed once the name does not exist', async () => {
  const { status, checkOnce, target } = follow([all(['db:1'], { quorum: 3 })])
  await checkOnce(target('pg', 'db:1'), 'dns', { address: null })
  assert.equal(status(), 'down')
})

test('with the quorum all, a name that is not resolved yet does not make up for a target that is down', async () => {
  const { status, checkOnce, target } = follow([all(['db:1', '10.0.0.1:1'])])
  await checkOnce(target('pg', '10.0.0.1:1'), 'refused')
  assert.equal(status(), 'down')
})

test('an address that left and is then configured by itself is a new target', async () => {
  const { resolver, registry, lookUpAndCheck, target } = follow([all(['db:1'])])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  const left = target('pg', '10.0.0.1:1')
  registry.replaceAll([sampleService('pg', ['db:1'])], [])
  registry.replaceAll([sampleService('pg', ['10.0.0.1:1'])], [])
  assert.notEqual(target('pg', '10.0.0.1:1'), left)
  assert.equal(target('pg', '10.0.0.1:1').retired, false)
})

test('an address of two names stays when the first name is removed', async () => {
  const { resolver, registry, names, target, lookUpAndCheck } = follow([all(['a:1', 'b:1'])])
  resolver.say('a', ['10.0.0.1'])
  resolver.say('b', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.2:1'])
  const shared = target('pg', '10.0.0.1:1')
  assert.equal(shared.target.resolvedFrom, 'a:1')
  registry.replaceAll([all(['b:1'])], [])
  assert.equal(target('pg', '10.0.0.1:1'), shared)
  assert.equal(shared.target.resolvedFrom, 'b:1')
  assert.equal(shared.health.status, 'up')
})

test('a changed definition keeps the addresses of names that stay, and new names are looked up at once', async () => {
  const { resolver, registry, addressTracking, clock, names, target, lookUpAndCheck, prober } = follow([all(['a:1'])])
  resolver.say('a', ['10.0.0.1'])
  resolver.say('b', ['10.0.0.2'])
  await lookUpAndCheck()
  const kept = target('pg', '10.0.0.1:1')
  registry.replaceAll([all(['a:1', 'b:1'], { interval: 3_600_000 })], [])
  assert.deepEqual(names(), ['10.0.0.1:1', 'b:1'])
  clock.advance(1100)
  addressTracking.lookUpDue()
  await setImmediate()
  await prober.answerAll('connected')
  assert.deepEqual(names(), ['10.0.0.1:1', '10.0.0.2:1'])
  assert.equal(target('pg', '10.0.0.1:1'), kept)
})

test('names that are added during a look-up are looked up next', async () => {
  const { resolver, registry, addressTracking, clock, names, lookUp, prober } = follow([all(['a:1'])])
  resolver.say('a', ['10.0.0.1'])
  resolver.say('b', ['10.0.0.2'])
  const release = resolver.hold()
  await lookUp()
  registry.replaceAll([all(['b:1'])], [])
  await lookUp()
  assert.equal(resolver.asked.length, 1, 'one look-up at a time')
  release()
  await setImmediate()
  assert.deepEqual(names(), ['b:1'])
  clock.advance(100)
  addressTracking.lookUpDue()
  await setImmediate()
  await prober.answerAll('connected')
  assert.deepEqual(names(), ['10.0.0.2:1'])
})

test('without resolve: all the name is the target again, and is not looked up here', async () => {
  const { resolver, registry, addressTracking, names, lookUp, lookUpAndCheck, clock } = follow([all(['db:1'])])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  registry.replaceAll([all(['db:1'], { resolve: 'first' })], [])
  assert.deepEqual(names(), ['db:1'])
  const { length } = resolver.asked
  await lookUp()
  assert.equal(resolver.asked.length, length)
  assert.equal(addressTracking.lookUpDue(), null)
  registry.replaceAll([all(['db:1'])], [])
  assert.deepEqual(names(), ['db:1'])
  clock.advance(1100)
  addressTracking.lookUpDue()
  assert.equal(resolver.asked.length, length + 1)
})

test('addresses that are found for a removed service are dropped, at any stage of the look-up', async () => {
  const { resolver, registry, monitor, addressTracking, prober, transitions, changes, lookUp, names, checked } = follow(
    [all(['db:1'])],
  )
  resolver.say('db', ['10.0.0.1'])
  const release = resolver.hold()
  await lookUp()
  registry.replaceAll([], [])
  registry.replaceAll([all(['db:1'])], [])
  release()
  await setImmediate()
  assert.deepEqual(names(), ['db:1'])
  assert.equal(prober.begun.length, 0)
  await lookUp()
  registry.replaceAll([], [])
  transitions.length = 0
  await prober.pending('10.0.0.1:1').answer('connected')
  assert.equal(monitor.services.size, 0)
  assert.deepEqual([transitions, changes, checked], [[], [], []])
  assert.equal(addressTracking.lookUpDue(), null)
})

test('new addresses whose check ends without an outcome because Porthole stops change nothing', async () => {
  const { resolver, names, news, lookUp, lookUpAndCheck, prober } = follow([all(['db:1'])])
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  news()
  resolver.say('db', ['10.0.0.2'])
  await lookUp()
  await prober.pending('10.0.0.2:1').abandon()
  assert.deepEqual(names(), ['10.0.0.1:1'])
  assert.deepEqual(news(), [])
})

test('a service that is removed during the first check of a new address leaves nothing to check', async () => {
  const { resolver, registry, monitor, addressTracking, lookUpAndCheck, changes } = follow([all(['db:1'])])
  const followed: string[] = []
  monitor.targetsChanged.subscribe((targets) => followed.push(...targets.map(({ target }) => target.name)))
  monitor.checked.subscribe(() => registry.replaceAll([], []))
  resolver.say('db', ['10.0.0.1'])
  await lookUpAndCheck()
  assert.deepEqual([followed, changes], [['db:1', '10.0.0.1:1'], []])
  assert.equal(addressTracking.lookUpDue(), null)
})

test('the same addresses are taken each time, up to the limit, and the excess is reported once', async () => {
  const { resolver, names, lookUpAndCheck, changes } = follow([all(['a:1', 'b:1', '10.9.9.9:1'])], 3)
  resolver.say('a', ['10.0.0.2', '10.0.0.1'])
  resolver.say('b', ['10.0.0.5', '10.0.0.4', '10.0.0.3'])
  const taken = ['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1', '10.9.9.9:1']
  await lookUpAndCheck()
  assert.deepEqual(names(), taken)
  assert.deepEqual(
    changes.map(({ leftOut }) => leftOut),
    [2],
  )
  resolver.say('b', ['10.0.0.4', '10.0.0.3', '10.0.0.5'])
  await lookUpAndCheck()
  resolver.say('b', null)
  await lookUpAndCheck()
  assert.deepEqual(names(), taken)
  assert.equal(changes.length, 1)
  resolver.say('b', ['10.0.0.3'])
  await lookUpAndCheck()
  assert.deepEqual(changes.at(-1), { service: 'pg', joined: [], left: [], leftOut: 0 })
})

for (const [interval, everyMs] of [
  [1000, 10_000],
  ['off', 10_000],
  [60_000, 60_000],
] as const) {
  test(`names are looked up every ${everyMs} ms if targets are checked every ${interval}`, async () => {
    const { resolver, addressTracking, clock, lookUpAndCheck } = follow([
      all(['a:1', 'b:1'], { interval, timeout: 700 }),
    ])
    resolver.say('a', ['10.0.0.1'])
    resolver.say('b', ['10.0.0.2'])
    await lookUpAndCheck()
    const due: number[] = []
    for (let n = 0; n < 3; n++) {
      clock.advanceTo(addressTracking.lookUpDue() ?? 0)
      resolver.asked.length = 0
      addressTracking.lookUpDue()
      due.push(clock.now())
      const deadline = clock.now() + 700
      assert.deepEqual(resolver.asked, [
        { host: 'a', deadline, maxAgeMs: 5000 },
        { host: 'b', deadline, maxAgeMs: 5000 },
      ])
      await setImmediate()
    }
    const [first = 0, second, third] = due
    assert.deepEqual([second, third], [first + everyMs, first + 2 * everyMs])
  })
}

test('the first look-ups are spread over one second, and later ones over their period', async () => {
  const names = Array.from({ length: 1000 }, (_, n) => `s${n}`)
  const services = names.map((name) => sampleService(name, [`${name}.db:1`], { resolve: 'all' }))
  const { resolver, addressTracking, clock } = follow(services)
  const most = async (ms: number, withinMs: number) => {
    let most = 0
    for (const until = clock.now() + withinMs; clock.now() < until; ) {
      resolver.asked.length = 0
      clock.advance(ms)
      addressTracking.lookUpDue()
      await setImmediate()
      most = Math.max(most, resolver.asked.length)
    }
    return most
  }
  assert.ok((await most(100, 1100)) < 200)
  assert.ok((await most(1000, 10_000)) < 200)
})

test('the scheduler checks addresses from when they join until they leave', async () => {
  const { resolver, monitor, clock, prober, lookUpAndCheck } = follow([all(['db:1'])])
  const scheduler = createScheduler({ monitor, clock })
  resolver.say('db', ['10.0.0.1', '10.0.0.2'])
  await lookUpAndCheck()
  const sweep = async () => {
    prober.begun.length = 0
    clock.advance(11_100)
    scheduler.runDue()
    await prober.answerAll('connected')
    return prober.begun.map(({ request }) => request.target.name).sort()
  }
  assert.deepEqual(await sweep(), ['10.0.0.1:1', '10.0.0.2:1'])
  resolver.say('db', ['10.0.0.2', '10.0.0.3'])
  await lookUpAndCheck()
  assert.deepEqual(await sweep(), ['10.0.0.2:1', '10.0.0.3:1'])
})

test('the address tracking runs by itself from start to stop', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { resolver, registry, addressTracking, clock } = follow([])
  const pass = async (ms: number) => {
    for (const until = clock.now() + ms; clock.now() < until; ) {
      clock.advance(50)
      t.mock.timers.tick(50)
      await setImmediate()
    }
  }
  addressTracking.start()
  registry.replaceAll([all(['db:1'])], [])
  await pass(1200)
  assert.equal(resolver.asked.length, 1)
  await pass(40_000)
  assert.ok(resolver.asked.length >= 4, `${resolver.asked.length} look-ups`)
  addressTracking.stop()
  resolver.asked.length = 0
  await pass(40_000)
  assert.equal(resolver.asked.length, 0)
})
