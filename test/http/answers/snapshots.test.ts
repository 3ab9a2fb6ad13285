import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSnapshots } from '../../../src/http/answers/snapshots.ts'
import { createEmitter } from '../../../src/monitor/emitter.ts'
import type { RegistryChange } from '../../../src/monitor/registry/registry.ts'

function setUp() {
  const changed = createEmitter<RegistryChange>()
  return { changed, snapshots: createSnapshots<object>({ changed }) }
}
const make = async () => ({})

test('clients with the same request share one result, also while it is made', async () => {
  const { snapshots } = setUp()
  const [first, second] = await Promise.all([snapshots('a', make), snapshots('a', make)])
  assert.equal(first, second)
  assert.equal(await snapshots('a', make), first)
  assert.notEqual(await snapshots('b', make), first)
})

test('a result is made again after the registry changes, or after a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { snapshots, changed } = setUp()
  const first = await snapshots('a', make)
  changed.emit({ put: [], removed: [], cause: 'file' } as unknown as RegistryChange)
  const second = await snapshots('a', make)
  assert.notEqual(second, first)
  t.mock.timers.tick(999)
  assert.equal(await snapshots('a', make), second)
  t.mock.timers.tick(1)
  assert.notEqual(await snapshots('a', make), second)
})

test('at most four results are cached, and further ones are for one client', async () => {
  const { snapshots } = setUp()
  const shared: boolean[] = []
  for (let i = 0; i < 6; i++)
    await snapshots(String(i), async (isShared) => {
      shared.push(isShared)
      return {}
    })
  assert.deepEqual(shared, [true, true, true, true, false, false])
})

test('a failure reaches the clients that waited for it, and the next client starts a new attempt', async () => {
  const { snapshots } = setUp()
  const fail = () => Promise.reject(new Error('a bug'))
  await assert.rejects(Promise.all([snapshots('a', fail), snapshots('a', fail)]), /a bug/)
  assert.deepEqual(await snapshots('a', make), {})
})
