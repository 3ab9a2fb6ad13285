import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createConfigApplier } from '../../src/cli/config-applier.ts'
import type { PolicyDefaults } from '../../src/domain/service/policy.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import { registeredService, sampleService } from '../support/samples.ts'

/** Returns a file of `count` services. Each generation defines other services. */
const fileOf = (count: number, generation: number, defaults: PolicyDefaults = {}) => ({
  services: Array.from({ length: count }, (_, i) => sampleService(`s${i}`, [`a:${generation}`])),
  groups: [],
  defaults,
})

function start() {
  const registry = createRegistry()
  const log: unknown[] = []
  const registrations = {
    async setDefaults(defaults: PolicyDefaults) {
      log.push(defaults)
    },
  }
  const configApplier = createConfigApplier({ registry, registrations, onDone: (done) => log.push(done) })
  return { registry, configApplier, log, named: () => [...registry.services.keys()] }
}

test('a small file is in force at once', () => {
  const { configApplier, registry } = start()
  void configApplier.put(fileOf(20, 1))
  assert.equal(registry.services.size, 20)
})

test('a large file is applied in batches, one in each turn of the event loop, and the defaults come last', async () => {
  const { configApplier, registry, log } = start()
  let isOver = false
  const putting = configApplier.put(fileOf(2000, 1, { fall: 5 })).then(() => {
    isOver = true
  })
  const sizes: number[] = []
  while (!isOver) {
    sizes.push(registry.services.size)
    await setImmediate()
  }
  await putting
  const steps = sizes.map((size, i) => size - (sizes[i - 1] ?? 0))
  assert.ok(steps.length >= 10 && Math.max(...steps) <= 200, steps.join())
  assert.deepEqual(log, [{ fall: 5 }, { services: 2000, changed: 2000, removed: 0 }])
})

test('a file that comes while another is applied replaces it, and both promises wait for the last file', async () => {
  const { configApplier, registry, log } = start()
  await configApplier.put(fileOf(1000, 1))
  const first = configApplier.put(fileOf(1500, 2))
  const portOf = (name: string) => registry.services.get(name)?.targets[0]?.port
  while (portOf('s0') === 1) await setImmediate()
  assert.equal(portOf('s999'), 1)
  void configApplier.put(fileOf(700, 3))
  const last = configApplier.put(fileOf(500, 4, { fall: 4 }))
  await first
  assert.deepEqual([...registry.services.values()], fileOf(500, 4).services)
  await last
  assert.deepEqual(log.slice(2), [{ fall: 4 }, { services: 500, changed: 500, removed: 500 }])
})

test('registrations and deregistrations between two batches stay in force', async () => {
  const { configApplier, registry, named } = start()
  registry.register([registeredService('goes', ['a:9']), registeredService('s5', ['a:9'])])
  const putting = configApplier.put(fileOf(1000, 1))
  await setImmediate()
  registry.register([registeredService('comes', ['a:9']), registeredService('s990', ['a:9'])])
  registry.deregister('goes', 'deregistered')
  registry.deregister('s5', 'deregistered')
  await putting
  assert.deepEqual(new Set(named()), new Set([...fileOf(1000, 1).services.map(({ name }) => name), 'comes']))
  assert.equal(registry.services.get('s990')?.origin, 'file')
  await configApplier.put(fileOf(0, 1))
  assert.deepEqual(new Set(named()), new Set(['comes', 's990']))
})

test('nothing more is applied after a stop', async () => {
  const { configApplier, registry, log } = start()
  const putting = configApplier.put(fileOf(1000, 1))
  configApplier.stop()
  await putting
  await configApplier.put(fileOf(1, 2))
  assert.ok(registry.services.size < 300)
  assert.deepEqual(log, [])
})
