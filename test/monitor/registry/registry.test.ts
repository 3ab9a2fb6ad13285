import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Service } from '../../../src/domain/service/service.ts'
import { makeService, partsOf } from '../../../src/domain/service/service.ts'
import { createEmitter } from '../../../src/monitor/emitter.ts'
import { createRegistry, type RegistryChange } from '../../../src/monitor/registry/registry.ts'
import { registeredService, sampleService } from '../../support/samples.ts'

const unwritten = 'deregistered: no longer in the configuration'
const names = (services: readonly { name: string }[]) => services.map(({ name }) => name)

function listen() {
  const registry = createRegistry()
  const changes: RegistryChange[] = []
  registry.changed.subscribe((change) => changes.push(change))
  return { registry, changes }
}

/** Returns `count` services of the file with one target each. Another generation has other definitions. */
const many = (count: number, generation = 1) =>
  Array.from({ length: count }, (_, i) => sampleService(`s${i}`, [`a:${generation}`], { groups: [`g${i % 3}`] }))

/** Returns a service with this number of targets. */
const serviceOf = (name: string, targets: number, fall = 3) =>
  sampleService(
    name,
    Array.from({ length: targets }, (_, i) => `a:${i + 1}`),
    { fall },
  )

test('a change lists the services that are new, changed and gone', () => {
  const { registry, changes } = listen()
  const a = sampleService('a', ['a:1'])
  const b = sampleService('b', ['b:1'])
  assert.deepEqual(registry.replaceAll([a, b], []), { changed: 2, removed: 0 })
  const otherB = sampleService('b', ['b:1'], { quorum: 'any' })
  const c = sampleService('c', ['c:1'])
  assert.deepEqual(registry.replaceAll([otherB, c], []), { changed: 2, removed: 1 })
  assert.deepEqual(changes, [
    { put: [a, b], removed: [], cause: unwritten },
    { put: [otherB, c], removed: ['a'], cause: unwritten },
  ])
})

test('equal definitions change nothing', () => {
  const { registry, changes } = listen()
  const make = () => sampleService('a', ['a:1', 'b:2'], { groups: ['g'], quorum: '50%' })
  const first = make()
  registry.replaceAll([first], [])
  assert.deepEqual(registry.replaceAll([make()], []), { changed: 0, removed: 0 })
  registry.register([registeredService('a', ['a:1'])])
  assert.deepEqual(
    changes.slice(1).flatMap(({ put, removed }) => [...put, ...removed]),
    [],
  )
  assert.equal(registry.services.get('a'), first)
})

test('services are in the order in which they were added', () => {
  const { registry } = listen()
  registry.replaceAll([sampleService('b', ['b:1']), sampleService('a', ['a:1'])], [])
  registry.register([registeredService('0', ['c:1'])])
  assert.deepEqual([...registry.services.keys()], ['b', 'a', '0'])
})

test('a group exists while it has a service, with its own quorum or all', () => {
  const { registry } = listen()
  const member = (name: string, ...groups: string[]) => sampleService(name, ['a:1'], { groups })
  const registered = (...groups: string[]) => registeredService('c', ['a:1'], { groups })
  registry.replaceAll([member('a', 'g', 'h'), member('b', 'g')], [{ name: 'g', quorum: 'any' }])
  registry.register([registered('g', 'i')])
  const read = () => Object.fromEntries([...registry.groups.values()].map(({ name, quorum }) => [name, quorum]))
  assert.deepEqual(read(), { g: 'any', h: 'all', i: 'all' })
  registry.replaceAll([member('a', 'g')], [{ name: 'i', quorum: 2 }])
  assert.deepEqual(read(), { g: 'all', i: 2 })
  registry.register([registered('g')])
  assert.deepEqual(read(), { g: 'all' })
  registry.replaceAll([], [])
  assert.deepEqual(read(), { g: 'all' })
  registry.deregister('c', 'deregistered')
  assert.deepEqual(read(), {})
})

test('changed quorums of groups are emitted, even if no service changed', () => {
  const { registry, changes } = listen()
  const a = sampleService('a', ['a:1'], { groups: ['g'] })
  registry.replaceAll([a], [])
  registry.replaceAll([a], [{ name: 'g', quorum: 'any' }])
  assert.deepEqual(changes.at(-1), { put: [], removed: [], cause: unwritten })
  assert.equal(registry.groups.get('g')?.quorum, 'any')
})

test('services are registered and deregistered one by one, with the cause', () => {
  const { registry, changes } = listen()
  const a = registeredService('a', ['a:1'])
  const otherA = registeredService('a', ['a:2'])
  registry.register([a, registeredService('b', ['b:1'])])
  registry.register([otherA])
  registry.deregister('a', 'deregistered: not registered again within its ttl of 30s')
  registry.deregister('nobody', 'deregistered')
  assert.deepEqual(names(changes[0]?.put ?? []), ['a', 'b'])
  assert.deepEqual(changes.slice(1, 3), [
    { put: [otherA], removed: [], cause: 'registered' },
    { put: [], removed: ['a'], cause: 'deregistered: not registered again within its ttl of 30s' },
  ])
  assert.deepEqual([changes[3]?.put, changes[3]?.removed], [[], []])
  assert.deepEqual([...registry.services.keys()], ['b'])
})

test('a service of the file hides a registered one of the same name, which returns when the file drops it', () => {
  const { registry, changes } = listen()
  const written = sampleService('a', ['file:1'])
  const registered = registeredService('a', ['http:1'])
  registry.register([registered])
  registry.replaceAll([written], [])
  assert.equal(registry.services.get('a'), written)
  registry.register([registeredService('a', ['http:2'])])
  registry.register([registered])
  assert.equal(registry.services.get('a'), written)
  assert.deepEqual(
    changes.slice(2).flatMap(({ put, removed }) => [...put, ...removed]),
    [],
  )
  registry.replaceAll([], [])
  assert.equal(registry.services.get('a'), registered)
  assert.deepEqual(changes.at(-1)?.removed, [])
  registry.replaceAll([written], [])
  registry.deregister('a', 'deregistered')
  assert.equal(registry.services.get('a'), written)
  registry.replaceAll([], [])
  assert.deepEqual(changes.at(-1)?.removed, ['a'])
  assert.equal(registry.services.size, 0)
})

test('services are drained by name, registered or not, and only changes are emitted', () => {
  const { registry, changes } = listen()
  const a = registeredService('a', ['a:1'])
  registry.register([a])
  changes.length = 0
  registry.setDrained(['a', 'later'], true)
  registry.setDrained(['a'], true)
  assert.deepEqual([...registry.drained], ['a', 'later'])
  registry.register([registeredService('later', ['b:1'])])
  registry.setDrained(['a'], false)
  registry.setDrained(['nobody'], false)
  assert.deepEqual([...registry.drained], ['later'])
  assert.deepEqual(
    changes.map(({ put, removed, cause }) => [names(put), removed, cause]),
    [
      [['a'], [], 'drained'],
      [['later'], [], 'registered'],
      [['a'], [], 'no longer drained'],
    ],
  )
})

test('listeners find the change already applied', () => {
  const registry = createRegistry()
  const seen: string[][] = []
  registry.changed.subscribe(() => seen.push([...registry.services.keys()]))
  registry.replaceAll([sampleService('a', ['a:1'])], [])
  registry.replaceAll([], [])
  assert.deepEqual(seen, [['a'], []])
})

test('a few services change in one batch, and many in several batches', () => {
  const { registry, changes } = listen()
  assert.equal(registry.replace(many(90), []).next().done, true)
  assert.equal(changes.length, 1)
  for (const [services, size] of [
    [many(1000, 2), 1000],
    [[], 0],
  ] as const) {
    changes.length = 0
    const steps = [...registry.replace(services, [])]
    assert.ok(steps.length > 2, `${steps.length}`)
    const sizes = changes.map(({ put, removed }) => put.length + removed.length)
    assert.ok(Math.max(...sizes) <= 300, sizes.join())
    assert.equal(
      sizes.reduce((sum, n) => sum + n, 0),
      1000,
    )
    assert.equal(registry.services.size, size)
  }
})

test('a batch has at most 1,000 old and new targets, and a service with more is a batch by itself', () => {
  const { registry, changes } = listen()
  const counts = [100, 100, 100, 5000, 100, 5000, ...Array.from({ length: 40 }, () => 100), 5000]
  const file = (fall: number) => counts.map((count, i) => serviceOf(`s${i}`, count, fall))
  /** Returns for each batch how many services change, and how many targets the new ones have. */
  const stepsOf = (services: readonly Service[]) => {
    changes.length = 0
    for (const _ of registry.replace(services, []));
    return changes.map(({ put, removed }) => [
      put.length + removed.length,
      put.reduce((sum, { targets }) => sum + targets.length, 0),
    ])
  }
  const first = [
    [3, 300],
    [1, 5000],
    [1, 100],
    [1, 5000],
  ]
  const last = [1, 5000]
  assert.deepEqual(stepsOf(file(1)), [...first, ...Array.from({ length: 4 }, () => [10, 1000]), last])
  assert.deepEqual(stepsOf(file(2)), [...first, ...Array.from({ length: 8 }, () => [5, 500]), last])
  assert.deepEqual(
    stepsOf([]).map(([services]) => services),
    [3, 1, 1, 1, 10, 10, 10, 10, 1],
  )
})

test('equal definitions are compared in batches that are bounded by targets', () => {
  const { registry, changes } = listen()
  const file = () => Array.from({ length: 20 }, (_, i) => serviceOf(`s${i}`, 300))
  registry.replaceAll(file(), [])
  changes.length = 0
  const steps = [...registry.replace(file(), [])]
  assert.ok(steps.length >= 10, `${steps.length}`)
  assert.deepEqual(changes, [{ put: [], removed: [], cause: unwritten }])
})

test('unchanged services are visited in several batches, with one event at most', () => {
  const { registry, changes } = listen()
  registry.replaceAll(many(6000), [])
  changes.length = 0
  const steps = [...registry.replace(many(6000), [])]
  assert.ok(steps.length > 2, `${steps.length}`)
  assert.deepEqual(changes, [{ put: [], removed: [], cause: unwritten }])
})

test('a replacement never has more services than the larger of the two files', () => {
  const { registry } = listen()
  registry.replaceAll(many(900), [])
  const renamed = many(1000).map((service) => makeService({ ...partsOf(service), name: `other-${service.name}` }))
  for (const _ of registry.replace(renamed, [])) assert.ok(registry.services.size <= 1000, `${registry.services.size}`)
  assert.deepEqual([...registry.services.values()], renamed)
})

test('a replacement that a newer one overtakes leaves nothing behind', () => {
  const { registry } = listen()
  registry.replaceAll(many(1000), [{ name: 'g1', quorum: 'any' }])
  const first = registry.replace([...many(600, 2), sampleService('first', ['a:1'])], [{ name: 'g1', quorum: 2 }])
  first.next()
  first.next()
  const last = [...many(800, 3), sampleService('last', ['a:1'])]
  registry.replaceAll(last, [{ name: 'g1', quorum: 3 }])
  assert.deepEqual([...registry.services.values()].sort(byName), [...last].sort(byName))
  assert.deepEqual(
    [...registry.groups.values()].map(({ name, quorum }) => [name, quorum]),
    [
      ['g0', 'all'],
      ['g1', 3],
      ['g2', 'all'],
    ],
  )
})

const byName = (one: Service, other: Service) => (one.name < other.name ? -1 : 1)

type Act = { readonly at: number; readonly kind: 'register' | 'deregister' | 'replace'; readonly which: number }

test('after any changes between two batches, the registry has the services of the last file and the registered ones', () => {
  const act = fc.record({
    at: fc.nat(8),
    kind: fc.constantFrom('register', 'deregister', 'replace'),
    which: fc.nat(1200),
  })
  fc.assert(
    fc.property(fc.nat(1200), fc.nat(1200), fc.array(act, { maxLength: 8 }), (before, after, acts: Act[]) => {
      const { registry, changes } = listen()
      const told = new Map<string, Service>()
      registry.replaceAll(many(before), [])
      let file = many(after, 2)
      let replacing = registry.replace(file, [])
      const registered = new Map<string, Service>()
      const doing = {
        register(which: number) {
          const service = registeredService(`s${which}`, ['http:1'], { groups: ['g1', 'http'] })
          registered.set(service.name, service)
          registry.register([service])
        },
        deregister(which: number) {
          registered.delete(`s${which}`)
          registry.deregister(`s${which}`, 'deregistered')
        },
        replace(which: number) {
          file = many(which, 3)
          replacing = registry.replace(file, [])
        },
      }
      for (let step = 0; step <= 8; step++) {
        for (const { at, kind, which } of acts) if (at === step) doing[kind](which)
        replacing.next()
      }
      for (const _ of replacing);

      const expected = new Map([...registered, ...file.map((service) => [service.name, service] as const)])
      assert.deepEqual(new Map([...registry.services].sort()), new Map([...expected].sort()))
      for (const { put, removed } of changes) {
        for (const name of removed) assert.ok(told.delete(name), name)
        for (const service of put) told.set(service.name, service)
      }
      assert.deepEqual(new Map([...told].sort()), new Map([...expected].sort()))
      const groups = new Set([...expected.values()].flatMap((service) => service.groups))
      assert.deepEqual([...registry.groups.keys()].sort(), [...groups].sort())
    }),
    { numRuns: 60 },
  )
})

test('an event reaches the listeners in order, until they unsubscribe', () => {
  const signal = createEmitter<number>()
  const heard: string[] = []
  const stop = signal.subscribe((n) => heard.push(`first ${n}`))
  signal.subscribe((n) => heard.push(`second ${n}`))
  signal.emit(1)
  stop()
  signal.emit(2)
  assert.deepEqual(heard, ['first 1', 'second 1', 'second 2'])
})
