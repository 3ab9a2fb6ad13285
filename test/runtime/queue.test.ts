import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createQueue } from '../../src/runtime/queue.ts'

test('items leave in the order in which they came, after any number of pushes and shifts', () => {
  // The runs are long, so that the queue drops removed items in between.
  const step = fc.record({ what: fc.constantFrom('push', 'shift'), times: fc.nat(3000) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const queue = createQueue<number>()
      let [pushed, shifted] = [0, 0]
      for (const { what, times } of steps) {
        for (let time = 0; time < times; time++) {
          if (what === 'push') queue.push(pushed++)
          else {
            const first = shifted < pushed ? shifted : undefined
            assert.equal(queue.peek(), first)
            assert.equal(queue.shift(), first)
            if (first !== undefined) shifted++
          }
        }
        assert.equal(queue.length, pushed - shifted)
      }
    }),
    { numRuns: 50 },
  )
})
