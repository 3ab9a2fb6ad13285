import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistry, type RegistryChange } from '../../src/monitor/registry.ts'
import { createSignal } from '../../src/monitor/signal.ts'
import { sampleService } from '../samples.ts'

const unwritten = 'deregistered: the configuration has it no longer'
const names = (services: readonly { name: string }[]) => services.map(({ name }) => name)

function listen() {
  const registry = createRegistry()
  const changes: RegistryChange[] = []
  registry.changed.subscribe((change) => changes.push(change))
  return { registry, changes }
}

test('tells which services are new, which differ and which are gone', () => {
  const { registry, changes } = listen()
  const a = sampleService('a', ['a:1'])
  const b = sampleService('b', ['b:1'])
  registry.replaceAll([a, b], [])
  const otherB = sampleService('b', ['b:1'], { quorum: 'any' })
  const c = sampleService('c', ['c:1'])
  const returned = registry.replaceAll([otherB, c], [])
  assert.deepEqual(changes, [
    { put: [a, b], removed: [], cause: unwritten },
    { put: [otherB, c], removed: ['a'], cause: unwritten },
  ])
  assert.deepEqual(returned, changes[1])
})

test('the same definitions again change nothing', () => {
  const { registry, changes } = listen()
  const make = () => sampleService('a', ['a:1', 'b:2'], { groups: ['g'], quorum: '50%' })
  registry.replaceAll([make()], [])
  const { put, removed } = registry.replaceAll([make()], [])
  assert.deepEqual([put, removed], [[], []])
  registry.register([make()])
  assert.deepEqual(changes.at(-1)?.put, [])
})

test('holds services in the order they came', () => {
  const { registry } = listen()
  registry.replaceAll([sampleService('b', ['b:1']), sampleService('a', ['a:1'])], [])
  registry.register([sampleService('0', ['c:1'])])
  assert.deepEqual([...registry.services.keys()], ['b', 'a', '0'])
})

test('a group is there for as long as a service is in it, with its own quorum or all', () => {
  const { registry } = listen()
  const member = (name: string, ...groups: string[]) => sampleService(name, ['a:1'], { groups })
  registry.replaceAll([member('a', 'g', 'h'), member('b', 'g')], [{ name: 'g', quorum: 'any' }])
  registry.register([member('c', 'g', 'i')])
  const read = () => Object.fromEntries([...registry.groups.values()].map(({ name, quorum }) => [name, quorum]))
  assert.deepEqual(read(), { g: 'any', h: 'all', i: 'all' })
  registry.replaceAll([member('a', 'g')], [{ name: 'i', quorum: 2 }])
  assert.deepEqual(read(), { g: 'all', i: 2 })
  registry.register([member('c', 'g')])
  assert.deepEqual(read(), { g: 'all' })
  registry.replaceAll([], [])
  assert.deepEqual(read(), { g: 'all' })
  registry.deregister('c', 'deregistered')
  assert.deepEqual(read(), {})
})

test('services come and go one by one, and why is told', () => {
  const { registry, changes } = listen()
  const a = sampleService('a', ['a:1'])
  const otherA = sampleService('a', ['a:2'])
  registry.register([a, sampleService('b', ['b:1'])])
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

test('what is registered outlives what is written, and what is written hides it for as long as it is there', () => {
  const { registry, changes } = listen()
  const written = sampleService('a', ['file:1'])
  const registered = sampleService('a', ['http:1'])
  registry.register([registered])
  registry.replaceAll([written], [])
  assert.equal(registry.services.get('a'), written)
  registry.register([sampleService('a', ['http:2'])])
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

test('services are drained by name, registered or not, and only a change is told', () => {
  const { registry, changes } = listen()
  const a = sampleService('a', ['a:1'])
  registry.register([a])
  changes.length = 0
  registry.setDrained(['a', 'later'], true)
  registry.setDrained(['a'], true)
  assert.deepEqual([...registry.drained], ['a', 'later'])
  registry.register([sampleService('later', ['b:1'])])
  registry.setDrained(['a'], false)
  registry.setDrained(['nobody'], false)
  assert.deepEqual([...registry.drained], ['later'])
  assert.deepEqual(
    changes.map(({ put, removed, cause }) => [names(put), removed, cause]),
    [
      [['a'], [], 'drained'],
      [['later'], [], 'registered'],
      [['a'], [], 'drained no longer'],
    ],
  )
})

test('who listens finds the change already made', () => {
  const registry = createRegistry()
  const seen: string[][] = []
  registry.changed.subscribe(() => seen.push([...registry.services.keys()]))
  registry.replaceAll([sampleService('a', ['a:1'])], [])
  registry.replaceAll([], [])
  assert.deepEqual(seen, [['a'], []])
})

test('a signal reaches its listeners in order, until they stop listening', () => {
  const signal = createSignal<number>()
  const heard: string[] = []
  const stop = signal.subscribe((n) => heard.push(`first ${n}`))
  signal.subscribe((n) => heard.push(`second ${n}`))
  signal.emit(1)
  stop()
  signal.emit(2)
  assert.deepEqual(heard, ['first 1', 'second 1', 'second 2'])
})
