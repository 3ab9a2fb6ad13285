import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../src/domain/service/limits.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { createRegistrar } from '../../src/registrar/registrar.ts'
import { createSharedRegistry } from '../../src/replicas/shared-registry.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { fakeClock } from '../monitor/fakes.ts'

const definition = '{"targets":["10.0.0.5:5432"]}'

function start() {
  const clock = fakeClock()
  const registry = createRegistry()
  const store = createMemoryStore({ maxCount: 100, maxAgeMs: 1e12 })
  const { registrations } = createRegistrar({ registry, store, clock, limits: defaultLimits, isShared: true })
  const shared = createSharedRegistry({ registrations, registry })
  const causes: string[] = []
  registry.changed.subscribe(({ cause, removed }) => {
    if (removed.length > 0) causes.push(cause)
  })
  const take = (kind: string, fields: Record<string, string | number>) =>
    shared.take(kind, new Map(Object.entries(fields).map(([name, value]) => [name, String(value)])))
  const put = (name: string, revision: number, text = definition) => take('put', { name, revision, definition: text })
  return { clock, registry, registrations, shared, take, put, causes }
}

test('services that others register, renew, drain and deregister change here too', () => {
  const { clock, registry, registrations, take, put, causes } = start()
  assert.equal(put('pg', 10), null)
  assert.equal(registrations.find('pg')?.registration.revision, 10)
  assert.equal(registry.services.get('pg')?.origin, 'http')
  put('pg', 11, '{"targets":["10.0.0.6:5432"],"ttl":"10s"}')
  assert.equal(registry.services.get('pg')?.targets[0]?.name, '10.0.0.6:5432')
  clock.advance(8000)
  take('renewed', { name: 'pg', revision: 11 })
  assert.equal(registrations.find('pg')?.lifetime.expiresAt, clock.now() + 10_000)
  take('drained', { name: 'pg', revision: 12, drained: 1 })
  assert.ok(registry.drained.has('pg'))
  take('drained', { name: 'pg', revision: 13, drained: 0 })
  assert.ok(!registry.drained.has('pg'))
  take('removed', { name: 'pg', revision: 14, expired: 1 })
  assert.equal(registry.services.has('pg'), false)
  put('mq', 15)
  take('removed', { name: 'mq', revision: 16, expired: '' })
  assert.deepEqual(causes, ['deregistered: not registered again within its ttl of 10s', 'deregistered'])
})

test('an older entry changes nothing', () => {
  const { registry, registrations, take, put } = start()
  put('pg', 20)
  put('pg', 19, '{"targets":["10.0.0.9:1"]}')
  take('removed', { name: 'pg', revision: 18, expired: '' })
  assert.equal(registrations.find('pg')?.registration.revision, 20)
  take('removed', { name: 'pg', revision: 21, expired: '' })
  put('pg', 20)
  assert.equal(registry.services.has('pg'), false)
  take('drained', { name: 'pg', revision: 30, drained: 1 })
  take('drained', { name: 'pg', revision: 29, drained: 0 })
  assert.ok(registry.drained.has('pg'))
})

test('a definition that cannot be read is reported, and kept for replicas that can read it', () => {
  const { registry, shared, put } = start()
  assert.match(
    put('new', 5, '{"targets":["srv:a"],"protocol":"quic"}') ?? '',
    /^the registration of "new" cannot be read: /,
  )
  assert.equal(registry.services.has('new'), false)
  assert.deepEqual(shared.written(), [['put', 'new', 5, '{"targets":["srv:a"],"protocol":"quic"}', '']])
})

test('all known data can be given back to a store that lost it, removals as well', () => {
  const { shared, take, put } = start()
  put('pg', 10, '{"targets":["10.0.0.5:5432"],"ttl":"1m"}')
  put('mq', 11)
  take('removed', { name: 'mq', revision: 12, expired: '' })
  take('drained', { name: 'file', revision: 13, drained: 1 })
  assert.deepEqual(shared.written(), [
    ['put', 'pg', 10, '{"targets":["10.0.0.5:5432"],"ttl":"1m"}', 60_000],
    ['removed', 'mq', 12, '', ''],
    ['drained', 'file', 13, 1, ''],
  ])
})

test('deregistering a service ends its drain, also for a store that lost its data', () => {
  const { shared, take, put } = start()
  put('pg', 10)
  take('drained', { name: 'pg', revision: 11, drained: 1 })
  take('removed', { name: 'pg', revision: 12, expired: '' })
  assert.deepEqual(shared.written(), [
    ['removed', 'pg', 12, '', ''],
    ['drained', 'pg', 12, 0, ''],
  ])
})

test('the data of the store replace those of the replica', async () => {
  const { registry, registrations, shared, take, put } = start()
  put('stays', 10)
  put('goes', 11)
  take('drained', { name: 'goes', revision: 12, drained: 1 })
  const changes: string[] = []
  registry.changed.subscribe(({ put }) => changes.push(...put.map(({ name }) => name)))
  const problems = await shared.restore(
    [
      { name: 'stays', revision: 10, definition },
      { name: 'comes', revision: 20, definition },
      { name: 'broken', revision: 21, definition: '{' },
    ],
    [['stays', { revision: 22, drained: true }]],
  )
  assert.match(problems.join(), /^the registration of "broken" cannot be read/)
  assert.deepEqual([...registry.services.keys()], ['stays', 'comes'])
  assert.deepEqual([...registry.drained], ['stays'])
  assert.equal(registrations.find('stays')?.registration.revision, 10)
  // A service that stays the same is no change. The drain of this one is.
  assert.deepEqual(changes, ['stays', 'comes'])
})

test('a service that expired elsewhere is down here until a client registers it again, and is written as expired', () => {
  const { clock, registry, registrations, shared, take, put } = start()
  const text = '{"targets":["10.0.0.5:5432"],"ttl":"10s"}'
  put('pg', 10, text)
  clock.advance(10_000)
  const at = Math.floor(clock.toEpoch(clock.now()))
  take('expired', { name: 'pg', revision: 9, at })
  assert.equal(registry.services.get('pg')?.expiredTtlMs, null)
  take('expired', { name: 'pg', revision: 10, at })
  assert.equal(registry.services.get('pg')?.expiredTtlMs, 10_000)
  assert.equal(registrations.find('pg')?.lifetime.expiresAt, clock.fromEpoch(at))
  assert.deepEqual(shared.written(), [['put', 'pg', 10, text, 'expired']])
  take('renewed', { name: 'pg', revision: 10 })
  assert.equal(registry.services.get('pg')?.expiredTtlMs, null)
  assert.deepEqual(shared.written(), [['put', 'pg', 10, text, 10_000]])
})

test('a drain outlives an expired service, unless a replica of an older version removes the service', () => {
  const { registry, shared, take, put } = start()
  for (const [name, revision] of [
    ['kept', 10],
    ['ended', 20],
  ] as const) {
    put(name, revision)
    take('drained', { name, revision: revision + 1, drained: 1 })
  }
  take('removed', { name: 'kept', revision: 30, expired: 1, drain: 'kept' })
  take('removed', { name: 'ended', revision: 31, expired: 1 })
  assert.deepEqual([...registry.drained], ['kept'])
  assert.deepEqual(
    shared.written().filter(([kind]) => kind === 'drained'),
    [
      ['drained', 'kept', 11, 1, ''],
      ['drained', 'ended', 31, 0, ''],
    ],
  )
})

test('an expired service stays expired when a replica rejoins, and every other service gets its full ttl again', async () => {
  const { clock, registry, registrations, shared, put } = start()
  const text = '{"targets":["10.0.0.5:5432"],"ttl":"10s"}'
  put('a', 10, text)
  put('b', 11, text)
  clock.advance(9000)
  const at = Math.floor(clock.toEpoch(clock.now()))
  const kept = [
    { name: 'a', revision: 10, definition: text, expiredAt: at },
    { name: 'b', revision: 11, definition: text },
  ]
  assert.deepEqual(await shared.restore(kept, []), [])
  assert.equal(registry.services.get('a')?.expiredTtlMs, 10_000)
  assert.equal(registrations.find('b')?.lifetime.expiresAt, clock.now() + 10_000)
  const dueAt = registrations.find('a')?.lifetime.dueAt
  clock.advance(5000)
  await shared.restore(kept, [])
  assert.equal(registrations.find('a')?.lifetime.dueAt, dueAt, 'the second restore does not postpone the expiry')
  await shared.restore([{ name: 'a', revision: 10, definition: text }], [])
  assert.equal(registry.services.get('a')?.expiredTtlMs, null)
})
