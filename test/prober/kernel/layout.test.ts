import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Dial, DialResult } from '../../../src/prober/dialler.ts'
import { epollEventSize } from '../../../src/prober/kernel/epoll.ts'
import { loadLibc } from '../../../src/prober/kernel/libc.ts'
import { offsetFromMonotonic } from '../../../src/prober/kernel/monotonic.ts'
import { createRecords, type KernelResult } from '../../../src/prober/kernel/records.ts'
import {
  allocateAddress,
  copyWords,
  layOutAddress,
  layOutDialled,
  readAddress,
} from '../../../src/prober/kernel/sockaddr.ts'
import { whyNoKernelProber } from '../make-kernel.ts'

const skip = await whyNoKernelProber()

test('struct epoll_event is packed on x64, aligned on arm64, and unsupported elsewhere', () => {
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
  test(`${ip} is written in the layout of the kernel and read again`, { skip }, async () => {
    const libc = await loadLibc()
    const memory = allocateAddress(libc)
    memory.bytes.fill(0xff)
    layOutAddress(libc, ip, 8080, memory)
    const length = ip.includes(':') ? 28 : 16
    assert.equal(memory.bytes.toString('hex', 0, length), hex.replaceAll(' ', ''))
    assert.deepEqual(readAddress(libc, memory), { ip: readBack, port: 8080 })
  })
}

const dialled: readonly [ip: string, dialled: string, zone: number][] = [
  ['10.0.0.1', '10.0.0.1', 0],
  ['0.0.0.0', '127.0.0.1', 0],
  ['0.0.0.1', '0.0.0.1', 0],
  ['::', '::1', 0],
  ['0:0::0', '::1', 0],
  ['::2', '::2', 0],
  ['::ffff:127.0.0.1', '127.0.0.1', 0],
  ['::ffff:7f00:2', '127.0.0.2', 0],
  ['::ffff:0.0.0.0', '127.0.0.1', 0],
  ['::fffe:127.0.0.1', '::fffe:7f00:1', 0],
  ['64:ff9b::a00:1', '64:ff9b::a00:1', 0],
  ['fe80::2%lo', 'fe80::2', 1],
  ['fe80::2%1', 'fe80::2', 1],
  ['fe80::2%987654', 'fe80::2', 0],
  ['fe80::2%nosuch', 'fe80::2', 0],
]

for (const [ip, as, zone] of dialled) {
  test(`${ip} is dialled as ${as}, zone ${zone}`, { skip }, async () => {
    const libc = await loadLibc()
    const memory = allocateAddress(libc)
    memory.bytes.fill(0xff)
    layOutDialled(libc, ip, 8080, memory)
    assert.deepEqual([readAddress(libc, memory), memory.words[6]], [{ ip: as, port: 8080 }, zone])
  })
}

test('any IPv4 address and port can be written and read again', { skip }, async () => {
  const libc = await loadLibc()
  const memory = allocateAddress(libc)
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
      layOutAddress(libc, ip, port, memory)
      assert.deepEqual(readAddress(libc, memory), { ip, port })
    }),
  )
})

test('an address of another family gives null', { skip }, async () => {
  const libc = await loadLibc()
  assert.equal(readAddress(libc, allocateAddress(libc)), null)
})

test('dials are unpacked from a batch as they were packed', { skip }, async () => {
  const libc = await loadLibc()
  const { packDial, unpackDials } = createRecords(libc)
  const memory = allocateAddress(libc)
  const dials: Dial[] = (['half-open', 'rst', 'fin'] as const).map((close, slot) => ({
    ip: ['10.0.0.1', 'fd00::2', '255.255.255.255'][slot] ?? '',
    port: 80 + slot,
    deadline: 1234.5,
    close,
    urgent: slot === 1,
  }))
  const packed: number[] = []
  for (const [slot, dial] of dials.entries()) packDial(packed, slot, dial)
  const unpacked = unpackDials(Float64Array.from(packed)).map(({ slot, batch, at, ...dial }, index) => {
    assert.equal(slot, index)
    copyWords(batch, at, memory.words)
    return { ...readAddress(libc, memory), ...dial }
  })
  assert.deepEqual(unpacked, dials)
})

test('results are unpacked from a batch as they were packed, with the name of the error', { skip }, async () => {
  const { packKernelResult, unpackFindings } = createRecords(await loadLibc())
  const connected: KernelResult = {
    slot: 1,
    reason: 'connected',
    endedAt: 1.5,
    latencyMs: 0.2,
    synRetransmits: 0,
    answer: 'syn-ack',
    errno: null,
    icmp: null,
    gateway: null,
  }
  const findings: [KernelResult, code: string | null][] = [
    [connected, null],
    [
      {
        ...connected,
        slot: 2 ** 20,
        reason: 'rejected',
        latencyMs: null,
        synRetransmits: null,
        answer: 'icmp',
        errno: constants.errno.EACCES,
        icmp: { version: 6, type: 1, code: 1, from: 'fd00::1' },
      },
      'EACCES',
    ],
    [{ ...connected, reason: 'local', answer: null, icmp: { version: 4, type: 3, code: 3, from: null } }, null],
    [{ ...connected, reason: 'local', answer: null, errno: 9999 }, 'errno 9999'],
    [{ ...connected, icmp: { version: 4, type: 3, code: 0, from: '10.0.0.2' } }, null],
    [{ ...connected, errno: constants.errno.ECONNRESET }, 'ECONNRESET'],
    [{ ...connected, reason: 'local', answer: 'no-gateway', errno: null, gateway: '10.0.0.1' }, '10.0.0.1'],
    [
      {
        ...connected,
        reason: 'local',
        answer: 'no-gateway',
        errno: constants.errno.EHOSTUNREACH,
        gateway: 'fe80::1%lo',
      },
      'fe80::1%lo',
    ],
    [
      { ...connected, reason: 'unreachable', answer: 'no-next-hop', errno: constants.errno.EHOSTUNREACH },
      'EHOSTUNREACH',
    ],
    [connected, null],
  ]
  const packed: number[] = []
  for (const [kernelResult] of findings) packKernelResult(packed, kernelResult)
  const told: [number, DialResult][] = []
  unpackFindings(Float64Array.from(packed), (slot, dialResult) => told.push([slot, dialResult]))
  assert.deepEqual(
    told,
    findings.map(([{ slot, errno, gateway, ...rest }, code]) => [slot, { ...rest, code }]),
  )
})

test('the offset between two clocks of a process is exact to a fraction of a millisecond', () => {
  const shift = 123_456
  const difference = offsetFromMonotonic(() => performance.now() + shift) - offsetFromMonotonic(() => performance.now())
  assert.ok(Math.abs(difference - shift) < 1, `${difference}`)
})
