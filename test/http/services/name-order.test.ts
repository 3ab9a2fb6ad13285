import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createNameOrder } from '../../../src/http/services/name-order.ts'
import { watch } from '../../monitor/fakes.ts'
import { registeredService, sampleService } from '../../support/samples.ts'
import { countingSlices } from '../../support/slices.ts'

const one = (name: string) => registeredService(name, ['pg:1'])

test('names stay sorted by code units while services come and go', async () => {
  const name = fc.constantFrom(...'abcdefghij', 'Z', 'ä', '\u{1F600}', '\uFFFD')
  const change = fc.record({ put: fc.uniqueArray(name), removed: fc.uniqueArray(name), reads: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
      const { monitor, registry } = watch([])
      const names = createNameOrder({ monitor, registry, slices: countingSlices() })
      for (const { put, removed, reads } of changes) {
        registry.register(put.map(one))
        for (const name of removed) registry.deregister(name, 'gone')
        if (reads) assert.deepEqual(await names.read(), [...monitor.services.keys()].sort())
      }
      assert.deepEqual(await names.read(), [...monitor.services.keys()].sort())
      names.close()
    }),
  )
})

test('a service that is registered during a sort is in the next list', async () => {
  const { monitor, registry } = watch(Array.from({ length: 5000 }, (_, i) => sampleService(`service-${i}`, ['pg:1'])))
  const names = createNameOrder({ monitor, registry, slices: countingSlices() })
  const first = names.read()
  // The sort has begun after this.
  await Promise.resolve()
  registry.register([one('another')])
  const [all, more, again] = await Promise.all([first, names.read(), names.read()])
  assert.equal(all.length, 5000)
  assert.deepEqual([more.length, more[0], again], [5001, 'another', more])
  assert.equal(await names.read(), more, 'nothing is sorted while nothing changes')
})
