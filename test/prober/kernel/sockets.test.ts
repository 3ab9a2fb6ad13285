import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadLibc } from '../../../src/prober/kernel/libc.ts'
import { createSockets } from '../../../src/prober/kernel/sockets.ts'
import { whyNoKernelProber } from '../make-kernel.ts'

const skip = await whyNoKernelProber()

test('a peer that sends without end is read only for a limited time', { skip }, async () => {
  const libc = await loadLibc()
  let reads = 0
  const recv = (_fd: number, _buffer: unknown, length: number) => {
    reads++
    assert.ok(reads <= 1000, 'it would be read for ever')
    return length
  }
  const sockets = createSockets({ ...libc, recv }, [32_768, 60_999])
  assert.equal(sockets.drain(0), true)
  assert.ok(reads > 1)
})
