import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../src/domain/limits.ts'
import { createRegistry } from '../../src/monitor/registry.ts'
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

test('what others register, renew, drain and deregister is so here', () => {
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

test('what is older than what is known changes nothing', () => {
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

test('what cannot be read is said, and kept for those that can', () => {
  const { registry, shared, put } = start()
  assert.match(
    put('new', 5, '{"targets":["srv:a"],"protocol":"quic"}') ?? '',
    /^the registration of "new" cannot be read: /,
  )
  assert.equal(registry.services.has('new'), false)
  assert.deepEqual(shared.written(), [['put', 'new', 5, '{"targets":["srv:a"],"protocol":"quic"}', '']])
})

test('all that it knows can be given to a store that lost it, what is gone as well', () => {
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

test('who is drained is so no longer once it is deregistered, also for a store that lost it', () => {
  const { shared, take, put } = start()
  put('pg', 10)
  take('drained', { name: 'pg', revision: 11, drained: 1 })
  take('removed', { name: 'pg', revision: 12, expired: '' })
  assert.deepEqual(shared.written(), [
    ['removed', 'pg', 12, '', ''],
    ['drained', 'pg', 12, 0, ''],
  ])
})

test('takes what the store keeps for what there is', async () => {
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
  // That which is as it was is no change; it is drained, which is one.
  assert.deepEqual(changes, ['stays', 'comes'])
})

test('what is expired elsewhere is down here until somebody registers it again, and is written as expired', () => {
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

test('a drain outlives what expired, unless an older replica forgot it, which ends drains', () => {
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

test('what the store says is expired stays so when a replica comes back, and all else has its time anew', async () => {
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
  assert.equal(registrations.find('a')?.lifetime.dueAt, dueAt, 'it is not put off by that')
  await shared.restore([{ name: 'a', revision: 10, definition: text }], [])
  assert.equal(registry.services.get('a')?.expiredTtlMs, null)
})
