import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadLibc } from '../../../src/prober/kernel/libc.ts'
import { createOutbox } from '../../../src/prober/kernel/outbox.ts'
import { createRecords, type KernelResult } from '../../../src/prober/kernel/records.ts'
import { awaitOutcome } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { listen, targetOf } from '../contract.ts'
import { makeKernel, whyNoKernelProber } from '../make-kernel.ts'

const skip = await whyNoKernelProber()

const connected: KernelResult = {
  slot: 0,
  reason: 'connected',
  endedAt: 1000,
  latencyMs: 0.2,
  synRetransmits: 0,
  answer: 'syn-ack',
  errno: null,
  icmp: null,
  gateway: null,
}

/** Builds an outbox that records the number of results in each message. */
async function build() {
  const records = createRecords(await loadLibc())
  const sent: number[] = []
  const outbox = createOutbox(records, (batch) => {
    let count = 0
    records.unpackFindings(batch, () => count++)
    sent.push(count)
  })
  return { outbox, sent }
}

test('a connected result that no client waits for is held for up to 50 ms', { skip }, async () => {
  const { outbox, sent } = await build()
  assert.equal(outbox.dueAt(), Number.POSITIVE_INFINITY)
  outbox.add(connected, false)
  outbox.add({ ...connected, endedAt: 1030 }, false)
  assert.equal(outbox.isDue(1049), false)
  assert.equal(outbox.dueAt(), 1050)
  assert.equal(outbox.isDue(1050), true)
  outbox.flush()
  outbox.flush()
  assert.deepEqual(sent, [2])
  assert.equal(outbox.isDue(5000), false)
})

test('an urgent result is sent at once, together with held results', { skip }, async () => {
  const { outbox, sent } = await build()
  outbox.add(connected, false)
  outbox.add(connected, true)
  assert.equal(outbox.isDue(1000), true)
  outbox.flush()
  outbox.add(connected, false)
  assert.equal(outbox.isDue(1000), false)
  assert.deepEqual(sent, [2])
})

test('a result that is not connected is never held', { skip }, async () => {
  for (const reason of ['refused', 'timeout', 'local'] as const) {
    const { outbox } = await build()
    outbox.add({ ...connected, reason }, false)
    assert.equal(outbox.isDue(1000), true, reason)
  }
})

test('a full batch is sent before its time', { skip }, async () => {
  const { outbox } = await build()
  let count = 0
  for (; count < 10_000 && !outbox.isDue(1000); count++) outbox.add(connected, false)
  assert.equal(count, 128)
})

test('a check that no client waits for is reported after about 0.1 s, or when the next check begins', {
  skip,
}, async (t) => {
  const port = await listen(t, '127.0.0.1')
  const clock = systemClock()
  const prober = await makeKernel({ clock })
  t.after(prober.close)
  const check = (urgent: boolean) =>
    awaitOutcome(prober, { target: targetOf('127.0.0.1', port), timeoutMs: 60_000, close: 'half-open', urgent })
  const alone = await check(false)
  assert.equal(alone?.reason, 'connected')
  const [first, second] = await Promise.all([check(false), check(true)])
  assert.deepEqual([first?.reason, second?.reason], ['connected', 'connected'])
})
