import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { RegistrationSettings } from '../../src/domain/service/registration.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { createRegistrations } from '../../src/registrar/registrations.ts'
import type { Registration } from '../../src/store/store.ts'
import { fakeClock } from '../monitor/fakes.ts'

const targetsOf = (count: number) => Array.from({ length: count }, (_, i) => `a:${i + 1}`)
const keptAs = (name: string, revision = 1, targets = 1, more: object = {}): Registration => ({
  name,
  revision,
  definition: JSON.stringify({ targets: targetsOf(targets), ...more }),
})
const keptMany = (count: number, revision = 1, targets = 1) =>
  Array.from({ length: count }, (_, i) => keptAs(`s${i}`, revision, targets))
const names = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`)

function start() {
  const registry = createRegistry()
  const clock = fakeClock()
  const store = {
    setDrained: async () => ({ ok: true, value: null }) as const,
  }
  const registrations = createRegistrations({ registry, store, clock, defaults: {}, onDue: () => {} })
  const put = (name: string, fall: number) => {
    const settings = RegistrationSettings.parse({ targets: ['a:1'], fall })
    registrations.put(registrations.build({ ...keptAs(name), revision: 1000 }, settings))
  }
  /** Returns how many services each turn of the event loop changes until `work` is done, and how many targets they have. */
  async function turnsOf(doing: () => Promise<unknown>): Promise<[services: number, targets: number][]> {
    const turns: [number, number][] = []
    let [services, targets] = [0, 0]
    const stop = registry.changed.subscribe(({ put, removed }) => {
      services += put.length + removed.length
      targets += put.reduce((sum, service) => sum + service.targets.length, 0)
    })
    let isOver = false
    // Ask for the next turn before the work of this one, so that this comes first in it.
    let next = setImmediate()
    const done = doing().finally(() => {
      isOver = true
    })
    while (!isOver) {
      await next
      next = setImmediate()
      if (services > 0) turns.push([services, targets])
      services = 0
      targets = 0
    }
    await done
    stop()
    return turns
  }
  return { registry, registrations, clock, put, turnsOf }
}

test('a snapshot is restored, and gets other defaults, in batches of one turn of the event loop', async () => {
  const { registrations, registry, turnsOf } = start()
  const three = [
    [100, 100],
    [100, 100],
    [50, 50],
  ]
  assert.deepEqual(await turnsOf(() => registrations.restore(keptMany(250), [])), three)
  assert.deepEqual([...registry.services.keys()], names(250))
  assert.deepEqual(await turnsOf(() => registrations.restore(keptMany(250), [])), [])
  assert.deepEqual(await turnsOf(() => registrations.restore(keptMany(250), names(250))), three)
  assert.deepEqual(await turnsOf(() => registrations.restore(keptMany(250), [])), three)
  assert.deepEqual(await turnsOf(() => registrations.setDefaults({ fall: 7 })), three)
  assert.ok([...registry.services.values()].every(({ policy }) => policy.fall === 7))
  assert.deepEqual(
    (await turnsOf(() => registrations.restore([], []))).map(([services]) => services),
    [100, 100, 50],
  )
  assert.equal(registry.services.size, 0)
})

test('a batch has fewer services if they have many targets', async () => {
  const { registrations, turnsOf } = start()
  const kept = [...keptMany(5, 1, 400), keptAs('large', 1, 3000), keptAs('small')]
  const turns = [
    [2, 800],
    [2, 800],
    [1, 400],
    [1, 3000],
    [1, 1],
  ]
  assert.deepEqual(await turnsOf(() => registrations.restore(kept, [])), turns)
  assert.deepEqual(await turnsOf(() => registrations.setDefaults({ fall: 7 })), turns)
  assert.deepEqual(
    await turnsOf(() =>
      registrations.restore(
        kept,
        kept.map(({ name }) => name),
      ),
    ),
    turns,
  )
})

test('unreadable registrations are part of the batches, and are reported in order', async () => {
  const { registrations, registry } = start()
  const kept = keptMany(250).map((one, i) => (i % 2 === 0 ? { ...one, definition: '{' } : one))
  let turns = 0
  let isOver = false
  const restoring = registrations.restore(kept, []).finally(() => {
    isOver = true
  })
  for (; !isOver; turns++) await setImmediate()
  assert.ok(turns >= 3, `${turns}`)
  const unread = (await restoring).map((problem) => /"(.*)"/.exec(problem)?.[1])
  assert.deepEqual(
    unread,
    names(250).filter((_, i) => i % 2 === 0),
  )
  assert.equal(registry.services.size, 125)
})

test('registrations and deregistrations during a restore stay in force', async () => {
  const { registrations, registry, put } = start()
  await registrations.restore([keptAs('s3', 1), keptAs('gone', 1), keptAs('back', 1)], [])
  const restoring = registrations.restore(keptMany(300, 2), [])
  await setImmediate()
  put('s290', 9)
  put('new', 9)
  put('back', 9)
  registrations.forget('s280', 'deregistered')
  registrations.forget('s1', 'deregistered')
  put('s270', 9)
  registrations.forget('s270', 'deregistered')
  assert.deepEqual(await restoring, [])
  const absent = ['s280', 's1', 's270']
  assert.deepEqual(
    new Set(registry.services.keys()),
    new Set([...names(300).filter((name) => !absent.includes(name)), 'new', 'back']),
  )
  assert.deepEqual(
    ['s290', 'new', 'back', 's3', 's289'].map((name) => registrations.find(name)?.registration.revision),
    [1000, 1000, 1000, 2, 2],
  )
  assert.equal(registry.services.get('s290')?.policy.fall, 9)
  assert.deepEqual(
    absent.map((name) => registrations.find(name)),
    [undefined, undefined, undefined],
  )
})

test('a service that the store has lost stays if it is registered again before its batch is removed', async () => {
  const { registrations, registry, put } = start()
  await registrations.restore(keptMany(300), [])
  const restoring = registrations.restore([], [])
  put('s250', 9)
  await restoring
  assert.deepEqual([...registry.services.keys()], ['s250'])
})

test('defaults that change during a restore apply to all services, also to those not restored yet', async () => {
  const { registrations, registry } = start()
  const restoring = registrations.restore(keptMany(500), [])
  await setImmediate()
  const setting = registrations.setDefaults({ fall: 7 })
  await Promise.all([restoring, setting])
  assert.deepEqual(new Set([...registry.services.values()].map(({ policy }) => policy.fall)), new Set([7]))
  assert.equal(registry.services.size, 500)
})

test('while new defaults are applied, a deregistered service stays away and a new registration stays in force', async () => {
  const { registrations, registry, put } = start()
  await registrations.restore(keptMany(500), [])
  const setting = registrations.setDefaults({ fall: 7 })
  registrations.forget('s490', 'deregistered')
  put('s480', 9)
  await setting
  assert.deepEqual(
    ['s490', 's480', 's470'].map((name) => registry.services.get(name)?.policy.fall),
    [undefined, 9, 7],
  )
})

test('each time to live starts when its batch is restored', async () => {
  const { registrations, clock } = start()
  const begunAt = clock.now()
  const restoring = registrations.restore(
    names(150).map((name) => keptAs(name, 1, 1, { ttl: '30s' })),
    [],
  )
  await setImmediate()
  clock.advance(5000)
  await restoring
  assert.deepEqual(
    ['s0', 's149'].map((name) => (registrations.find(name)?.lifetime.expiresAt ?? 0) - begunAt),
    [30_000, 35_000],
  )
})
