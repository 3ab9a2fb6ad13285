import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistry, type RegistryChange } from '../../src/monitor/registry.ts'
import { createSignal } from '../../src/monitor/signal.ts'
import { sampleService } from '../samples.ts'

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
    { put: [a, b], removed: [] },
    { put: [otherB, c], removed: ['a'] },
  ])
  assert.deepEqual(returned, changes[1])
})

test('the same definitions again change nothing', () => {
  const { registry } = listen()
  const make = () => sampleService('a', ['a:1', 'b:2'], { groups: ['g'], quorum: '50%' })
  registry.replaceAll([make()], [])
  assert.deepEqual(registry.replaceAll([make()], []), { put: [], removed: [] })
})

test('holds services in the order they were given, and groups', () => {
  const { registry } = listen()
  registry.replaceAll([sampleService('b', ['b:1']), sampleService('a', ['a:1'])], [{ name: 'g', quorum: 'any' }])
  assert.deepEqual([...registry.services.keys()], ['b', 'a'])
  assert.equal(registry.groups.get('g')?.quorum, 'any')
  registry.replaceAll([sampleService('a', ['a:1']), sampleService('b', ['b:1'])], [])
  assert.deepEqual([...registry.services.keys()], ['a', 'b'])
  assert.equal(registry.groups.size, 0)
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
