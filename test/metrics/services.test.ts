import assert from 'node:assert/strict'
import { test } from 'node:test'
import { build, listen, nobody } from '../support/app.ts'
import { sampleService } from '../support/samples.ts'
import { familyOf } from './page.ts'

test('a drained service has a series that says so, and its other series still show its targets', async (t) => {
  const { target } = await listen(t)
  const { sweep, get, registry } = await build(t, [sampleService('pg', [target]), sampleService('mq', [nobody])])
  await sweep()
  const read = async () => {
    const { body } = await get('/metrics')
    return ['draining', 'up', 'targets_up'].map((name) => familyOf(body, `porthole_service_${name}`))
  }
  const up = { '{service="pg"}': 1, '{service="mq"}': 0 }
  assert.deepEqual(await read(), [{}, up, up])
  registry.setDrained(['pg', 'mq'], true)
  assert.deepEqual(await read(), [{ '{service="pg"}': 1, '{service="mq"}': 1 }, up, up])
  registry.setDrained(['pg'], false)
  assert.deepEqual(await read(), [{ '{service="mq"}': 1 }, up, up])
})

test('drained services are left out of the count of their groups', async (t) => {
  const { target } = await listen(t)
  const services = [
    sampleService('up-1', [target], { groups: ['mixed', 'ups', 'two'] }),
    sampleService('up-2', [target], { groups: ['ups', 'two'] }),
    sampleService('down', [nobody], { groups: ['mixed'] }),
  ]
  const groups = { two: { quorum: 2 } } as const
  const { sweep, get, registry } = await build(t, services, { groups })
  await sweep()
  const read = async () => Object.values(familyOf((await get('/metrics')).body, 'porthole_group_up')).join(' ')
  assert.equal(
    Object.keys(familyOf((await get('/metrics')).body, 'porthole_group_up')).join(),
    '{group="mixed"},{group="ups"},{group="two"}',
  )
  assert.equal(await read(), '0 1 1')
  registry.setDrained(['down'], true)
  assert.equal(await read(), '1 1 1')
  registry.setDrained(['up-1'], true)
  assert.equal(await read(), '0 1 0', 'all services of mixed are drained, and the group two needs two that are up')
})
