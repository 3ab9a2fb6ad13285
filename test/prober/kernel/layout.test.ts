import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../../src/domain/outcome.ts'
import { epollEventSize } from '../../../src/prober/kernel/epoll.ts'
import { loadLibc } from '../../../src/prober/kernel/libc.ts'
import { offsetFromMonotonic } from '../../../src/prober/kernel/monotonic.ts'
import {
  type Batch,
  type Finding,
  packDial,
  packFinding,
  type SlottedDial,
  unpackDials,
  unpackFindings,
} from '../../../src/prober/kernel/records.ts'
import { layOutAddress, readAddress } from '../../../src/prober/kernel/sockaddr.ts'
import { whyNoKernelProber } from '../make-kernel.ts'

const skip = await whyNoKernelProber()

test('struct epoll_event is packed on x64 and aligned on arm64, and no other machine is guessed at', () => {
  assert.deepEqual([epollEventSize('x64'), epollEventSize('arm64')], [12, 16])
  for (const arch of ['arm', 'ia32', 's390x', ''])
    assert.throws(() => epollEventSize(arch), /knows the system calls of x64 and arm64/)
})

const addresses: readonly [ip: string, readBack: string, hex: string][] = [
  ['10.0.0.1', '10.0.0.1', '02001f90 0a000001 00000000 00000000'],
  ['::1', '::1', '0a001f90 00000000 00000000000000000000000000000001 00000000'],
  ['fd00:0:0::2', 'fd00::2', '0a001f90 00000000 fd000000000000000000000000000002 00000000'],
  ['fe80::2%7', 'fe80::2', '0a001f90 00000000 fe800000000000000000000000000002 07000000'],
  ['fe80::2%lo', 'fe80::2', '0a001f90 00000000 fe800000000000000000000000000002 01000000'],
  ['fe80::2%nosuch', 'fe80::2', '0a001f90 00000000 fe800000000000000000000000000002 00000000'],
  ['fe80::2%99999999999', 'fe80::2', '0a001f90 00000000 fe800000000000000000000000000002 00000000'],
]

for (const [ip, readBack, hex] of addresses) {
  test(`${ip} is laid out as the kernel wants it, over whatever was there, and read back`, { skip }, async () => {
    const { libc } = await loadLibc()
    const memory = Buffer.alloc(28, 0xff)
    const length = layOutAddress(libc, ip, 8080, memory)
    assert.equal(memory.toString('hex', 0, length), hex.replaceAll(' ', ''))
    assert.deepEqual(readAddress(libc, memory), { ip: readBack, port: 8080 })
  })
}

test('an address of another family is none', { skip }, async () => {
  const { libc } = await loadLibc()
  assert.equal(readAddress(libc, Buffer.alloc(28)), null)
})

test('dials and findings come out of a batch as they went in', () => {
  const dials: SlottedDial[] = (['half-open', 'rst', 'fin'] as const).map((close, slot) => ({
    slot,
    ip: '10.0.0.1',
    port: 80 + slot,
    deadline: 1234.5,
    close,
    urgent: slot === 1,
  }))
  const dialBatch: Batch = []
  for (const dial of dials) packDial(dialBatch, dial)
  assert.deepEqual([...unpackDials(dialBatch)], dials)

  const ending: Omit<Outcome, 'startedAt' | 'address'> = {
    reason: 'connected',
    endedAt: 1.5,
    latencyMs: 0.2,
    synRetransmits: 0,
    answer: 'syn-ack',
    code: null,
    icmp: null,
  }
  const findings: Finding[] = [
    { slot: 1, ending },
    {
      slot: 2 ** 31 - 1,
      ending: {
        ...ending,
        reason: 'rejected',
        latencyMs: null,
        synRetransmits: null,
        answer: 'icmp',
        code: 'EACCES',
        icmp: { version: 6, type: 1, code: 1, from: 'fd00::1' },
      },
    },
    {
      slot: 3,
      ending: { ...ending, reason: 'local', answer: null, icmp: { version: 4, type: 3, code: 3, from: null } },
    },
  ]
  const findingBatch: Batch = []
  for (const finding of findings) packFinding(findingBatch, finding)
  assert.deepEqual([...unpackFindings(findingBatch)], findings)
})

test('two clocks of one process are told apart to a fraction of a millisecond', () => {
  const shift = 123_456
  const difference = offsetFromMonotonic(() => performance.now() + shift) - offsetFromMonotonic(() => performance.now())
  assert.ok(Math.abs(difference - shift) < 1, `${difference}`)
})
