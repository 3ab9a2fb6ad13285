import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../src/domain/service/limits.ts'
import { RegistrationSettings } from '../../src/domain/service/registration.ts'
import { currentStatusOf } from '../../src/monitor/state/state.ts'
import { createRegistrar, mostAbsentDrains } from '../../src/registrar/registrar.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { watch } from '../monitor/fakes.ts'
import { sampleService } from '../support/samples.ts'

const retention = { maxCount: 1000, maxAgeMs: 3_600_000 }
const settingsOf = (more: object = {}) => RegistrationSettings.parse({ targets: ['pg:5432'], ...more })

/** A store that answers when the test releases the answer. */
function heldStore(): Store & { letGo(): Promise<void>; fail(failure: string | null): void } {
  const store = createMemoryStore(retention)
  let waiting: (() => void)[] = []
  let failure: string | null = null
  const held =
    <Arguments extends unknown[], Value>(ask: (...input: Arguments) => Promise<Value>) =>
    async (...input: Arguments): Promise<Value> => {
      if (failure !== null) return { ok: false, failure } as Value
      const answer = await ask(...input)
      await new Promise<void>((done) => waiting.push(done))
      return answer
    }
  return {
    ...store,
    put: held(store.put),
    remove: held(store.remove),
    setDrained: held(store.setDrained),
    fail: (why) => {
      failure = why
    },
    async letGo() {
      // An operation goes through the store's own promise first.
      await new Promise(setImmediate)
      const all = waiting
      waiting = []
      for (const done of all) done()
      await new Promise(setImmediate)
    },
  }
}

function start(options: { store?: Store; limits?: object; defaults?: object } = {}) {
  const state = watch([])
  const { registry, clock } = state
  const store = options.store ?? createMemoryStore(retention)
  const limits = { ...defaultLimits, ...options.limits }
  const registrar = createRegistrar({ registry, store, clock, limits, defaults: options.defaults ?? {} })
  const statusOf = (name: string) => {
    const service = state.monitor.services.get(name)
    return service && currentStatusOf(service, clock.now()).status
  }
  /** Returns the snapshot that the next process would find. */
  async function kept() {
    const loaded = await store.load()
    assert.ok(loaded.ok)
    const names = loaded.value.registrations.map(({ name, expiredAt }) => (expiredAt ? `${name} expired` : name))
    return { registrations: names.sort(), drained: [...loaded.value.drained] }
  }
  return { ...state, store, registrar, registrations: registrar.registrations, statusOf, kept }
}

test('a registered service is checked, a deregistered one is not, and the log says so', async () => {
  const { registrar, monitor, transitions, registry } = start()
  const put = await registrar.put('pg', settingsOf({ groups: ['g'] }), {})
  assert.ok(put.ok && put.value.done && put.value.change === 'created')
  assert.equal(monitor.services.get('pg')?.service.origin, 'http')
  assert.deepEqual([...registry.groups.keys()], ['g'])

  assert.deepEqual(await registrar.remove('pg', {}), { ok: true, value: { done: true } })
  assert.equal(monitor.services.has('pg'), false)
  assert.deepEqual([...registry.groups.keys()], [])
  assert.deepEqual(
    transitions.map(({ service, target, to, message }) => [service, target, to, message]),
    [['pg', null, 'unknown', 'deregistered']],
  )
})

test('no change is in force before the store has it', async () => {
  const store = heldStore()
  const { registrar, monitor } = start({ store })
  const put = registrar.put('pg', settingsOf(), {})
  await new Promise(setImmediate)
  assert.equal(monitor.services.has('pg'), false)
  await store.letGo()
  assert.equal((await put).ok, true)
  assert.equal(monitor.services.has('pg'), true)
})

test('a change that the store cannot write is not made', async () => {
  const store = heldStore()
  const { registrar, monitor } = start({ store })
  const first = registrar.put('pg', settingsOf(), {})
  await store.letGo()
  await first
  store.fail('the disk is full')
  const failed = { ok: false, failure: 'the disk is full' }
  assert.deepEqual(await registrar.put('mq', settingsOf(), {}), failed)
  assert.deepEqual(await registrar.remove('pg', {}), failed)
  assert.deepEqual(await registrar.setDrained('pg', true), failed)
  assert.deepEqual([...monitor.services.keys()], ['pg'])
  assert.equal(monitor.services.get('pg')?.drained, false)
})

test('a registration that is not renewed within its ttl is down as expired, then deregistered, and says why', async () => {
  const { registrar, registrations, clock, transitions, kept, statusOf, checkOnce, target } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s', expireAfter: '5m' }), {})
  await registrar.put('mq', settingsOf(), {})
  await checkOnce(target('pg', 'pg:5432'), 'connected')
  clock.advance(29_999)
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'up')
  clock.advance(1)
  const expiredAt = clock.now()
  assert.equal(registrations.expireDue(), expiredAt + 300_000)
  assert.equal(statusOf('pg'), 'down')
  const [last, before] = [transitions.at(-1), transitions.at(-2)]
  assert.deepEqual(last, {
    service: 'pg',
    target: null,
    from: 'up',
    to: 'down',
    at: expiredAt,
    reason: 'expired',
    message:
      'its registration was not renewed within its ttl of 30s: the program that registered it is gone or cannot reach Porthole',
  })
  assert.equal(before?.to, 'up', 'there was one transition')
  assert.deepEqual(await kept(), { registrations: ['mq', 'pg expired'], drained: [] })

  clock.advance(299_999)
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'down')
  clock.advance(1)
  assert.equal(registrations.expireDue(), null)
  assert.equal(statusOf('pg'), undefined)
  assert.equal(transitions.at(-1)?.message, 'deregistered: not registered again within its ttl of 30s')
  assert.deepEqual(await kept(), { registrations: ['mq'], drained: [] })
})

test('an expired registration stays for 10 minutes by default, and not at all with an expireAfter of 0', async () => {
  const { registrar, registrations, clock, statusOf } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await registrar.put('job', settingsOf({ ttl: '30s', expireAfter: '0s' }), {})
  clock.advance(30_000)
  assert.equal(registrations.expireDue(), clock.now() + 600_000)
  assert.deepEqual([statusOf('pg'), statusOf('job')], ['down', undefined])
})

test('an expired service is still checked, and has the status of its checks once it is registered again', async () => {
  const { registrar, registrations, clock, statusOf, target, checkOnce, transitions, kept } = start()
  const settings = settingsOf({ ttl: '30s' })
  const first = await registrar.put('pg', settings, {})
  clock.advance(30_000)
  registrations.expireDue()
  const state = target('pg', 'pg:5432')
  await checkOnce(state, 'connected')
  assert.deepEqual([statusOf('pg'), state.health.status], ['down', 'up'])

  const again = await registrar.put('pg', settings, {})
  assert.ok(first.ok && first.value.done && again.ok && again.value.done)
  assert.equal(again.value.change, 'none')
  assert.equal(again.value.registered, first.value.registered)
  assert.equal(statusOf('pg'), 'up')
  assert.equal(registrations.find('pg')?.lifetime.expiresAt, clock.now() + 30_000)
  assert.equal(target('pg', 'pg:5432'), state, 'its target was checked all the time')
  assert.deepEqual(
    transitions.filter(({ target }) => target === null).map(({ from, to }) => `${from} ${to}`),
    ['unknown down', 'down up'],
  )
  assert.deepEqual(await kept(), { registrations: ['pg'], drained: [] })
})

test('a new definition replaces an expired service and renews it', async () => {
  const { registrar, registrations, clock, statusOf, kept } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  clock.advance(30_000)
  registrations.expireDue()
  const put = await registrar.put('pg', settingsOf({ ttl: '30s', fall: 9 }), {})
  assert.ok(put.ok && put.value.done && put.value.change === 'replaced')
  assert.equal(statusOf('pg'), 'unknown')
  assert.deepEqual(await kept(), { registrations: ['pg'], drained: [] })
})

test('an expired service can be registered with If-None-Match, and gets a new revision', async () => {
  const { registrar, registrations, clock, statusOf } = start()
  const settings = settingsOf({ ttl: '30s' })
  const first = await registrar.put('pg', settings, {})
  assert.ok(first.ok && first.value.done)
  const { revision } = first.value.registered.registration
  assert.deepEqual(await registrar.put('pg', settings, { ifNoneMatch: '*' }), {
    ok: true,
    value: { done: false, revision },
  })
  clock.advance(30_000)
  registrations.expireDue()
  const second = await registrar.put('pg', settings, { ifNoneMatch: '*' })
  assert.ok(second.ok && second.value.done)
  assert.equal(second.value.change, 'created')
  const newRevision = second.value.registered.registration.revision
  assert.ok(newRevision > revision)
  assert.equal(statusOf('pg'), 'unknown')
  const late = await registrar.put('pg', settings, { ifMatch: [revision] })
  assert.deepEqual(late, { ok: true, value: { done: false, revision: newRevision } })
})

test('an expired service makes room for a new name, the longest expired first; a renewal on its way keeps it', async () => {
  const store = heldStore()
  const { registrar, registrations, registry, clock, statusOf } = start({ store, limits: { services: 3 } })
  const put = async (name: string, ttl: string) => {
    const registering = registrar.put(name, settingsOf({ ttl }), {})
    await store.letGo()
    assert.ok((await registering).ok)
  }
  for (const [name, ttl] of [
    ['late', '2s'],
    ['early', '1s'],
    ['alive', '1h'],
  ] as const)
    await put(name, ttl)
  assert.match(registrar.refusalOf('new') ?? '', /limits\.services allows no more/)
  clock.advance(1000)
  registrations.expireDue()
  clock.advance(1000)
  registrations.expireDue()
  assert.equal(registrar.refusalOf('new'), null)
  await put('new', '1h')
  assert.deepEqual([...registry.services.keys()], ['late', 'alive', 'new'])

  const renewal = registrar.put('late', settingsOf({ ttl: '2s' }), {})
  assert.match(registrar.refusalOf('newer') ?? '', /limits\.services allows no more/)
  await store.letGo()
  await renewal
  assert.equal(statusOf('late'), 'unknown')
})

test('an expired registration that the file hides makes no room, and is down once the file drops it', async () => {
  const { registrar, registrations, registry, clock, statusOf, monitor } = start({ limits: { services: 1 } })
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  registry.replaceAll([sampleService('pg', ['other:1'])], [])
  clock.advance(30_000)
  registrations.expireDue()
  assert.deepEqual([statusOf('pg'), monitor.services.get('pg')?.service.origin], ['unknown', 'file'])
  assert.match(registrar.refusalOf('mq') ?? '', /limits\.services allows no more/)
  registry.replaceAll([], [])
  assert.deepEqual([statusOf('pg'), monitor.services.get('pg')?.service.origin], ['down', 'http'])
  assert.equal(registrar.refusalOf('mq'), null)
})

test('new defaults do not bring an expired service back', async () => {
  const { registrar, registrations, clock, statusOf } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  clock.advance(30_000)
  registrations.expireDue()
  await registrations.setDefaults({ fall: 9 })
  assert.equal(statusOf('pg'), 'down')
})

test('an expired service is down with any quorum', async () => {
  const { registrar, registrations, clock, statusOf, target, checkOnce } = start()
  await registrar.put('pg', settingsOf({ targets: ['a:1', 'b:1'], quorum: 'any', ttl: '30s' }), {})
  clock.advance(30_000)
  registrations.expireDue()
  await checkOnce(target('pg', 'a:1'), 'connected')
  await checkOnce(target('pg', 'b:1'), 'refused')
  assert.equal(statusOf('pg'), 'down')
})

test('an expired registration stays expired over a restart, for its expireAfter from there', async () => {
  const store = createMemoryStore(retention)
  const before = start({ store })
  await before.registrar.put('pg', settingsOf({ ttl: '30s', expireAfter: '5m' }), {})
  before.clock.advance(30_000)
  before.registrations.expireDue()

  const { registrations, clock, statusOf } = start({ store })
  const kept = await store.load()
  assert.ok(kept.ok)
  clock.advance(3_600_000)
  await registrations.restore(kept.value.registrations, [])
  assert.equal(statusOf('pg'), 'down')
  const lifetime = registrations.find('pg')?.lifetime
  assert.ok(lifetime?.isExpired && (lifetime.expiresAt ?? 0) <= clock.now())
  clock.advance(299_999)
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'down')
  clock.advance(1)
  registrations.expireDue()
  assert.equal(statusOf('pg'), undefined)
})

test('a drain outlives a registration that expires and is deregistered, until a client ends the drain', async () => {
  const { registrar, registrations, clock, monitor, kept } = start()
  const settings = settingsOf({ ttl: '30s', expireAfter: '1m' })
  const expire = () => {
    clock.advance(30_000)
    registrations.expireDue()
    clock.advance(60_000)
    registrations.expireDue()
  }
  await registrar.put('pg', settings, {})
  await registrar.setDrained('pg', true)
  expire()
  assert.equal(monitor.services.has('pg'), false)
  assert.deepEqual(await kept(), { registrations: [], drained: ['pg'] })
  await registrar.put('pg', settings, {})
  assert.equal(monitor.services.get('pg')?.drained, true)

  expire()
  await registrar.setDrained('pg', false)
  await registrar.put('pg', settings, {})
  assert.equal(monitor.services.get('pg')?.drained, false)
  assert.deepEqual(await kept(), { registrations: ['pg'], drained: [] })
})

test('the oldest drains of names without a service end when there are too many', async () => {
  const { registrar, registrations, registry, clock, kept } = start()
  registry.replaceAll([sampleService('of-file', ['a:1'])], [])
  await registrar.setDrained('of-file', true)
  registry.setDrained(
    Array.from({ length: mostAbsentDrains }, (_, i) => `gone-${i}`),
    true,
  )
  await registrar.put('pg', settingsOf({ ttl: '1s', expireAfter: '0s' }), {})
  await registrar.setDrained('pg', true)
  clock.advance(1000)
  registrations.expireDue()
  await new Promise(setImmediate)
  assert.deepEqual(
    ['of-file', 'gone-0', 'gone-1', 'pg'].map((name) => registry.drained.has(name)),
    [true, false, true, true],
  )
  assert.deepEqual((await kept()).drained, ['of-file', 'pg'])
})

test('registering the same again keeps the revision and restarts the ttl', async () => {
  const { registrar, registrations, monitor, clock } = start()
  const first = await registrar.put('pg', settingsOf({ ttl: '30s', timeout: '1s' }), {})
  clock.advance(20_000)
  const again = await registrar.put('pg', settingsOf({ timeout: '1000ms', ttl: '30s' }), {})
  assert.ok(first.ok && first.value.done && again.ok && again.value.done)
  assert.equal(again.value.change, 'none')
  assert.equal(again.value.registered, first.value.registered)
  clock.advance(20_000)
  assert.equal(registrations.expireDue(), registrations.find('pg')?.lifetime.expiresAt)
  assert.equal(monitor.services.has('pg'), true)
})

test('a renewal that arrives in time counts, even if the store is slow', async () => {
  const store = heldStore()
  const { registrar, registrations, monitor, clock } = start({ store })
  const first = registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await store.letGo()
  await first
  clock.advance(29_000)
  const renewal = registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  clock.advance(5000)
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), true)
  await store.letGo()
  await renewal
  clock.advance(24_000)
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), true)
})

test('a registration whose ttl was removed does not expire', async () => {
  const { registrar, registrations, monitor, clock } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await registrar.put('pg', settingsOf(), {})
  clock.advance(1_000_000)
  assert.equal(registrations.expireDue(), null)
  assert.equal(monitor.services.has('pg'), true)
})

test('the snapshot is in force after a start, and each ttl starts again', async () => {
  const store = createMemoryStore(retention)
  const before = start({ store })
  await before.registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await before.registrar.put('mq', settingsOf({ interval: 'off' }), {})
  await before.registrar.setDrained('mq', true)

  const { registrations, monitor, clock } = start({ store })
  const kept = await store.load()
  assert.ok(kept.ok)
  assert.deepEqual(await registrations.restore(kept.value.registrations, kept.value.drained), [])
  assert.deepEqual([...monitor.services.keys()].sort(), ['mq', 'pg'])
  assert.equal(monitor.services.get('mq')?.drained, true)
  assert.equal(registrations.find('pg')?.lifetime.expiresAt, clock.now() + 30_000)
})

test('a registration that this version cannot read is reported, and the others are in force', async () => {
  const { registrations, monitor } = start()
  const kept = [
    { name: 'new', definition: '{"targets":["srv:a"],"flux":1}', revision: 1 },
    { name: 'pg', definition: '{"targets":["a:1"]}', revision: 2 },
  ]
  const [problem = '', ...more] = await registrations.restore(kept, [])
  assert.match(problem, /the registration of "new" cannot be read: targets: 0: .* is not a port/)
  assert.deepEqual(more, [])
  assert.deepEqual([...monitor.services.keys()], ['pg'])
})

test('a registration with a setting that a newer version requires is in force, says so, and is not dialled', async () => {
  const { registrations, monitor } = start()
  const foreign: string[] = []
  registrations.foreign.subscribe(({ kind, word }) => foreign.push(`${kind} ${word}`))
  const definition = '{"targets":["a:1"],"exchange":"redis","colour":"red","requires":["exchange"]}'
  assert.equal(registrations.adopt({ name: 'cache', definition, revision: 1 }), null)
  assert.deepEqual(foreign, ['unread setting exchange', 'ignored setting colour'])
  const state = monitor.services.get('cache')
  assert.deepEqual(state?.service.policy.unread, ['exchange'])
  assert.equal(state && monitor.refresh([state], 0), null)
  await registrations.setDefaults({ fall: 9 })
  assert.deepEqual(monitor.services.get('cache')?.service.policy.unread, ['exchange'])
})

test('an unreadable registration does not change the service of that name', async () => {
  const { registrar, registrations, registry } = start()
  await registrar.put('pg', settingsOf(), {})
  const before = registrations.find('pg')
  let told = 0
  registry.changed.subscribe(() => told++)
  const problem = registrations.adopt({ name: 'pg', definition: '{"targets":["srv:a"],"flux":1}', revision: 9e15 })
  assert.match(problem ?? '', /the registration of "pg" cannot be read: targets: 0: .* is not a port/)
  assert.equal(registrations.find('pg'), before)
  assert.equal(told, 0)
})

test('settings that a registration leaves out follow the defaults of the file', async () => {
  const { registrar, registrations, monitor } = start({ defaults: { timeout: 3000 } })
  await registrar.put('pg', settingsOf({ fall: 5 }), {})
  assert.equal(monitor.services.get('pg')?.service.policy.timeoutMs, 3000)
  await registrations.setDefaults({ timeout: 4000, fall: 9 })
  assert.equal(monitor.services.get('pg')?.service.policy.timeoutMs, 4000)
  assert.equal(monitor.services.get('pg')?.service.policy.fall, 5)
})

test('a service of the file hides a registered one, which comes back when the file drops it', async () => {
  const { registrar, registry, monitor } = start()
  await registrar.put('pg', settingsOf(), {})
  registry.replaceAll([sampleService('pg', ['other:1'])], [])
  assert.equal(monitor.services.get('pg')?.service.origin, 'file')
  registry.replaceAll([], [])
  assert.equal(monitor.services.get('pg')?.service.origin, 'http')
})

test("a hidden registration that is deregistered leaves the file's service alone, drained as it is", async () => {
  const { registrar, registrations, registry, monitor, clock, store } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s', expireAfter: '0s' }), {})
  registry.replaceAll([sampleService('pg', ['other:1'])], [])
  await registrar.setDrained('pg', true)
  clock.advance(30_000)
  registrations.expireDue()
  assert.equal(monitor.services.get('pg')?.service.origin, 'file')
  assert.equal(monitor.services.get('pg')?.drained, true)
  const kept = await store.load()
  assert.ok(kept.ok)
  assert.deepEqual([kept.value.registrations, kept.value.drained], [[], ['pg']])
})

test('deregistering ends the drain as well', async () => {
  const { registrar, monitor } = start()
  await registrar.put('pg', settingsOf(), {})
  await registrar.setDrained('pg', true)
  await registrar.remove('pg', {})
  await registrar.put('pg', settingsOf(), {})
  assert.equal(monitor.services.get('pg')?.drained, false)
})

test('there are no more services than the limit, counting registrations under way; known services can always be changed', async () => {
  const store = heldStore()
  const { registrar, registry } = start({ store, limits: { services: 2 } })
  registry.replaceAll([sampleService('file', ['a:1'])], [])
  assert.equal(registrar.refusalOf('pg'), null)
  const put = registrar.put('pg', settingsOf(), {})
  assert.match(registrar.refusalOf('mq') ?? '', /limits\.services allows no more/)
  await store.letGo()
  await put
  assert.match(registrar.refusalOf('mq') ?? '', /there are 2 services/)
  assert.equal(registrar.refusalOf('pg'), null)
})

test('many registrations at once do not pass the limit, in any order of additions and removals', async () => {
  const store = heldStore()
  const { registrar } = start({ store, limits: { services: 2 } })
  for (const name of ['pg', 'mq']) {
    const put = registrar.put(name, settingsOf(), {})
    await store.letGo()
    await put
  }
  const removed = registrar.remove('pg', {})
  await new Promise(setImmediate)
  assert.equal(registrar.refusalOf('pg'), null)
  const back = registrar.put('pg', settingsOf(), {})
  // The store answers the removal first, because it came first.
  await store.letGo()
  await removed
  assert.match(registrar.refusalOf('db') ?? '', /limits\.services allows no more/)
  await store.letGo()
  await back
})

test('registering the same new name twice at once makes one service', async () => {
  const store = heldStore()
  const { registrar } = start({ store, limits: { services: 1 } })
  const first = registrar.put('pg', settingsOf(), {})
  assert.equal(registrar.refusalOf('pg'), null)
  const second = registrar.put('pg', settingsOf(), {})
  await store.letGo()
  assert.deepEqual([(await first).ok, (await second).ok], [true, true])
})

test('two registrations that are confirmed together each return their own revision', async () => {
  const store = heldStore()
  const { registrar, registrations } = start({ store })
  const puts = [3, 4].map((fall) => registrar.put('pg', settingsOf({ fall }), {}))
  await store.letGo()
  const told = (await Promise.all(puts)).map((put) => {
    assert.ok(put.ok && put.value.done)
    return put.value
  })
  assert.deepEqual(
    told.map(({ change, registered }) => [change, registered.service.policy.fall]),
    [
      ['created', 3],
      ['replaced', 4],
    ],
  )
  assert.equal(registrations.find('pg'), told[1]?.registered)
})

test('a change whose condition does not hold does not renew the registration', async () => {
  const store = heldStore()
  const { registrar, registrations, clock, statusOf } = start({ store })
  const first = registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await store.letGo()
  await first
  clock.advance(20_000)
  const refused = registrar.put('pg', settingsOf({ ttl: '30s' }), { ifNoneMatch: '*' })
  clock.advance(9999)
  await store.letGo()
  await refused
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'unknown')
  const late = registrar.put('pg', settingsOf({ ttl: '30s' }), { ifNoneMatch: '*' })
  clock.advance(1)
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'unknown', 'the store has not answered yet whether it is registered again')
  await store.letGo()
  await late
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'down')
})

test('while the store fails, a service that registers again in time does not expire', async () => {
  const store = heldStore()
  const { registrar, registrations, clock, statusOf } = start({ store })
  const first = registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await store.letGo()
  await first
  store.fail('the disk is full')
  for (const _ of ['once', 'twice']) {
    clock.advance(29_000)
    await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
    registrations.expireDue()
  }
  assert.equal(statusOf('pg'), 'unknown')
  clock.advance(30_000)
  registrations.expireDue()
  assert.equal(statusOf('pg'), 'down')
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  assert.equal(statusOf('pg'), 'unknown')
})

test('registering the same again emits no change of the registry', async () => {
  const { registrar, registry } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  let changes = 0
  registry.changed.subscribe(() => changes++)
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  assert.equal(changes, 0)
})

test('deregistering a drained service never says that it is back in service', async () => {
  const { registrar, registry } = start()
  await registrar.put('pg', settingsOf(), {})
  await registrar.setDrained('pg', true)
  const causes: string[] = []
  registry.changed.subscribe(({ cause }) => causes.push(cause))
  await registrar.remove('pg', {})
  assert.deepEqual(causes, ['deregistered'])
  assert.equal(registry.drained.has('pg'), false)
})

test('a registration in the store that is no JSON is reported, and the others are in force', async () => {
  const { registrations, monitor } = start()
  const kept = [
    { name: 'bent', definition: '{"targets":["a:1"', revision: 1 },
    { name: 'pg', definition: '{"targets":["a:1"]}', revision: 2 },
  ]
  const problems = await registrations.restore(kept, [])
  assert.match(problems.join(), /^the registration of "bent" cannot be read: it is not JSON/)
  assert.deepEqual([...monitor.services.keys()], ['pg'])
})
