import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../../src/runtime/clock.ts'
import { listen, targetOf } from '../contract.ts'
import { makeKernel, whyNoKernelProber } from '../make-kernel.ts'

describe('the kernel prober', { skip: await whyNoKernelProber() }, () => {
  test('yields to the event loop while results arrive faster than they can be handled', async (t) => {
    const port = await listen(t, '127.0.0.1')
    const prober = await makeKernel({ clock: systemClock() })
    t.after(prober.close)
    const count = 2000
    const busyMs = 1
    /** How many outcomes had arrived in each turn of the event loop. */
    const seen: number[] = []
    let ended = 0
    await new Promise<void>((done) => {
      const look = () => {
        seen.push(ended)
        if (ended < count) setImmediate(look)
      }
      setImmediate(look)
      for (let i = 0; i < count; i++) {
        const target = targetOf('127.0.0.1', port)
        // Urgent results are sent in small batches, so that many batches wait.
        prober.check({ target, timeoutMs: 20_000, close: 'half-open', urgent: true }, () => {
          for (const end = performance.now() + busyMs; performance.now() < end; );
          if (++ended === count) done()
        })
      }
    })
    seen.push(ended)
    const steps = seen.map((now, i) => now - (seen[i - 1] ?? 0))
    // A batch, which has at most 128 results, is handled in one turn.
    assert.ok(Math.max(...steps) <= 128, `${Math.max(...steps)} outcomes in one turn`)
  })
})
