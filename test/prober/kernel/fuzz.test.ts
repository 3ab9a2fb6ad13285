import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { reasons } from '../../../src/domain/check/outcome.ts'
import { startKernelProber } from '../../../src/prober/kernel/kernel.ts'
import { createResolver } from '../../../src/prober/lookup/resolver.ts'
import { awaitOutcome } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { listen, targetOf } from '../contract.ts'
import { whyNoKernelProber } from '../make-kernel.ts'
import { openDescriptors, openedSince } from './descriptors.ts'

const skip = await whyNoKernelProber()
const clock = systemClock()

/** A look-up with fixed answers, which does not use the network. */
async function lookup(host: string): Promise<readonly string[]> {
  if (host === 'two') return ['127.0.0.1', '::1']
  if (host === 'slow') return sleep(40, ['127.0.0.1'])
  if (host === 'none') return []
  throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
}

test('the kernel prober: any checks in any order all end, and nothing stays open', {
  skip,
}, async (t) => {
  const open = await listen(t, '127.0.0.1', (socket) => socket.resume())
  const host = fc.constantFrom(
    '127.0.0.1',
    '127.9.8.7',
    '::1',
    '0:0::1',
    '::1%99999999999',
    '::ffff:127.0.0.1',
    'two',
    'slow',
    'none',
    'missing',
  )
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        host,
        port: fc.constantFrom(open, open, 1, 65_535),
        timeoutMs: fc.integer({ min: 10, max: 500 }),
        close: fc.constantFrom('half-open' as const, 'rst' as const, 'fin' as const),
        urgent: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ waitMs: fc.constantFrom(0, 0, 1, 10) }) },
    { weight: 1, arbitrary: fc.constant('close' as const) },
  )
  const before = openDescriptors()
  const sequence = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
    const prober = await startKernelProber({ clock, resolver: createResolver({ clock, lookup }) })
    assert.ok(typeof prober !== 'string')
    const closings: Promise<void>[] = []
    const checks = steps.map(async (next) => {
      if (next === 'close') closings.push(prober.close())
      else if ('waitMs' in next) await sleep(next.waitMs)
      else {
        const isClosed = closings.length > 0
        const outcome = await awaitOutcome(prober, { ...next, target: targetOf(next.host, next.port) })
        if (isClosed) assert.equal(outcome, undefined)
        else if (closings.length === 0) assert.ok(outcome)
        if (outcome === undefined) return
        assert.ok(reasons.includes(outcome.reason))
        assert.ok(outcome.startedAt <= outcome.endedAt)
        assert.notEqual(outcome.code, 'EWORKERDIED')
      }
    })
    await Promise.all(checks)
    await Promise.all([...closings, prober.close()])
    assert.equal(prober.restarts(), 0)
  })
  await fc.assert(sequence, { interruptAfterTimeLimit: 8000, markInterruptAsFailure: false, numRuns: 40 })
  // The listener closes a connection a moment after the prober.
  const giveUpAt = clock.now() + 2000
  while (openedSince(before).length > 0 && clock.now() < giveUpAt) await sleep(10)
  assert.deepEqual(openedSince(before), [])
})
