import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleService } from '../../support/samples.ts'
import { watch } from '../fakes.ts'

test('a group contains the services whose latest definition names it', () => {
  const member = (name: string, ...groups: string[]) => sampleService(name, ['a:1'], { groups })
  const { monitor, registry, service } = watch([member('a', 'g', 'h'), member('b', 'g')])
  const read = () =>
    Object.fromEntries(
      ['g', 'h', 'i'].map((group) => [
        group,
        [...monitor.membersOf(group)].map(({ service }) => service.name).join(' '),
      ]),
    )
  assert.deepEqual(read(), { g: 'a b', h: 'a', i: '' })
  assert.equal([...monitor.membersOf('h')][0], service('a'))
  registry.setDrained(['a'], true)
  assert.deepEqual(read(), { g: 'a b', h: 'a', i: '' }, 'each service keeps its place')
  registry.replaceAll([member('a', 'i'), member('b', 'g'), member('c', 'g', 'i')], [])
  assert.deepEqual(read(), { g: 'b c', h: '', i: 'a c' })
  registry.replaceAll([member('c', 'g')], [])
  assert.deepEqual(read(), { g: 'c', h: '', i: '' })
  registry.replaceAll([], [])
  assert.deepEqual(read(), { g: '', h: '', i: '' })
})
