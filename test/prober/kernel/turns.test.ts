import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../../src/clock.ts'
import { listen, targetOf } from '../contract.ts'
import { makeKernel, whyNoKernelProber } from '../make-kernel.ts'

describe('the kernel prober', { skip: await whyNoKernelProber() }, () => {
  test('lets others have their turn of the event loop while more comes in than can be taken in', async (t) => {
    const port = await listen(t, '127.0.0.1')
    const prober = await makeKernel({ clock: systemClock() })
    t.after(prober.close)
    const count = 2000
    const busyMs = 1
    /** How many outcomes had come in when the event loop came round. */
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
        // Urgent ones are handed over a few at a time, so that many hand-overs wait.
        prober.check({ target, timeoutMs: 20_000, close: 'half-open', urgent: true }, () => {
          for (const end = performance.now() + busyMs; performance.now() < end; );
          if (++ended === count) done()
        })
      }
    })
    seen.push(ended)
    const steps = seen.map((now, i) => now - (seen[i - 1] ?? 0))
    // What is handed over together is taken in together.
    assert.ok(Math.max(...steps) <= 128, `${Math.max(...steps)} outcomes in one turn`)
  })
})
