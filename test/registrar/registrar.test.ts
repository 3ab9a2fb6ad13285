import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../src/domain/limits.ts'
import { RegistrationSettings } from '../../src/domain/registration.ts'
import { createRegistrar } from '../../src/registrar/registrar.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { watch } from '../monitor/fakes.ts'
import { sampleService } from '../samples.ts'

const retention = { maxCount: 1000, maxAgeMs: 3_600_000 }
const settingsOf = (more: object = {}) => RegistrationSettings.parse({ targets: ['pg:5432'], ...more })

/** A store that answers when the test lets it. */
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
      // What is asked goes through the store's own promise first.
      await new Promise(setImmediate)
      const all = waiting
      waiting = []
      for (const done of all) done()
      await new Promise(setImmediate)
    },
  }
}

function start(options: { store?: Store; limits?: object; defaults?: object } = {}) {
  const watched = watch([])
  const { registry, clock } = watched
  const store = options.store ?? createMemoryStore(retention)
  const limits = { ...defaultLimits, ...options.limits }
  const registrar = createRegistrar({ registry, store, clock, limits, defaults: options.defaults ?? {} })
  return { ...watched, store, registrar, registrations: registrar.registrations }
}

test('what is registered is watched, what is deregistered is not, and the log says so', async () => {
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

test('nothing is in force before the store has it', async () => {
  const store = heldStore()
  const { registrar, monitor } = start({ store })
  const put = registrar.put('pg', settingsOf(), {})
  await new Promise(setImmediate)
  assert.equal(monitor.services.has('pg'), false)
  await store.letGo()
  assert.equal((await put).ok, true)
  assert.equal(monitor.services.has('pg'), true)
})

test('what the store cannot keep is not done', async () => {
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

test('a registration that is not renewed within its ttl is deregistered, and says why', async () => {
  const { registrar, registrations, monitor, clock, transitions, store } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await registrar.put('mq', settingsOf(), {})
  clock.advance(29_999)
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), true)
  clock.advance(1)
  assert.equal(registrations.expireDue(), null)
  assert.deepEqual([...monitor.services.keys()], ['mq'])
  assert.equal(transitions.at(-1)?.message, 'deregistered: not registered again within its ttl of 30s')
  const kept = await store.load()
  assert.ok(kept.ok)
  assert.deepEqual(
    kept.value.registrations.map(({ name }) => name),
    ['mq'],
  )
})

test('the same registration again keeps its revision, and its ttl counts anew', async () => {
  const { registrar, registrations, monitor, clock } = start()
  const first = await registrar.put('pg', settingsOf({ ttl: '30s', timeout: '1s' }), {})
  clock.advance(20_000)
  const again = await registrar.put('pg', settingsOf({ timeout: '1000ms', ttl: '30s' }), {})
  assert.ok(first.ok && first.value.done && again.ok && again.value.done)
  assert.equal(again.value.change, 'none')
  assert.equal(again.value.registered, first.value.registered)
  clock.advance(20_000)
  assert.equal(registrations.expireDue(), registrations.find('pg')?.expiresAt)
  assert.equal(monitor.services.has('pg'), true)
})

test('a renewal that arrives in time counts, however long the store takes for it', async () => {
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

test('a ttl that is taken away never ends', async () => {
  const { registrar, registrations, monitor, clock } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await registrar.put('pg', settingsOf(), {})
  clock.advance(1_000_000)
  assert.equal(registrations.expireDue(), null)
  assert.equal(monitor.services.has('pg'), true)
})

test('what was kept is in force after a start, with each ttl counting from there', async () => {
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
  assert.equal(registrations.find('pg')?.expiresAt, clock.now() + 30_000)
})

test('what this version cannot read is said, and the rest is in force', async () => {
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
  const watched = monitor.services.get('cache')
  assert.deepEqual(watched?.service.policy.unread, ['exchange'])
  assert.equal(watched && monitor.refresh([watched], 0), null)
  await registrations.setDefaults({ fall: 9 })
  assert.deepEqual(monitor.services.get('cache')?.service.policy.unread, ['exchange'])
})

test('what cannot be read changes nothing of what is in force by that name', async () => {
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

test('what a registration leaves out follows the defaults of the file', async () => {
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

test("a hidden registration that expires leaves the file's service alone, drained as it is", async () => {
  const { registrar, registrations, registry, monitor, clock, store } = start()
  await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
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

test('no more services than the limit, those that are on their way among them; known ones can always be changed', async () => {
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

test('nor do many that are asked for at once pass the limit, in whatever order they come and go', async () => {
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
  // The removal is answered first, as it was asked first.
  await store.letGo()
  await removed
  assert.match(registrar.refusalOf('db') ?? '', /limits\.services allows no more/)
  await store.letGo()
  await back
})

test('the same new name asked for twice at once is one service', async () => {
  const store = heldStore()
  const { registrar } = start({ store, limits: { services: 1 } })
  const first = registrar.put('pg', settingsOf(), {})
  assert.equal(registrar.refusalOf('pg'), null)
  const second = registrar.put('pg', settingsOf(), {})
  await store.letGo()
  assert.deepEqual([(await first).ok, (await second).ok], [true, true])
})

test('of two that are confirmed together each is told of its own version', async () => {
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

test('a change whose condition does not hold renews nothing', async () => {
  const store = heldStore()
  const { registrar, registrations, monitor, clock } = start({ store })
  const first = registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await store.letGo()
  await first
  clock.advance(20_000)
  const refused = registrar.put('pg', settingsOf({ ttl: '30s' }), { ifNoneMatch: '*' })
  clock.advance(9999)
  await store.letGo()
  await refused
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), true)
  const late = registrar.put('pg', settingsOf({ ttl: '30s' }), { ifNoneMatch: '*' })
  clock.advance(1)
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), true, 'the store has not said whether it is registered again')
  await store.letGo()
  await late
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), false)
})

test('while the store fails, who registers again in time is not deregistered', async () => {
  const store = heldStore()
  const { registrar, registrations, monitor, clock } = start({ store })
  const first = registrar.put('pg', settingsOf({ ttl: '30s' }), {})
  await store.letGo()
  await first
  store.fail('the disk is full')
  for (const _ of ['once', 'twice']) {
    clock.advance(29_000)
    await registrar.put('pg', settingsOf({ ttl: '30s' }), {})
    registrations.expireDue()
  }
  assert.equal(monitor.services.has('pg'), true)
  clock.advance(30_000)
  registrations.expireDue()
  assert.equal(monitor.services.has('pg'), false)
})

test('the same again is no change to anybody who follows the registry', async () => {
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

test('what is no JSON in the store is said, and the rest is in force', async () => {
  const { registrations, monitor } = start()
  const kept = [
    { name: 'bent', definition: '{"targets":["a:1"', revision: 1 },
    { name: 'pg', definition: '{"targets":["a:1"]}', revision: 2 },
  ]
  const problems = await registrations.restore(kept, [])
  assert.match(problems.join(), /^the registration of "bent" cannot be read: it is no JSON/)
  assert.deepEqual([...monitor.services.keys()], ['pg'])
})
