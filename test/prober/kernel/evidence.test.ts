import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import type { IcmpError } from '../../../src/domain/check/outcome.ts'
import { errnoName } from '../../../src/prober/errno.ts'
import {
  classify,
  classifyNextHop,
  dependsOnNextHop,
  type Evidence,
  isAnswer,
  isRoundTrip,
} from '../../../src/prober/kernel/evidence.ts'
import type { NextHop } from '../../../src/prober/kernel/next-hop.ts'
import type { TcpInfo } from '../../../src/prober/kernel/sockets.ts'

const { errno } = constants
const info = (more: Partial<TcpInfo> = {}): TcpInfo => ({
  state: 2,
  rttMs: 0,
  timeouts: 0,
  synRetransmits: 0,
  retransmitsOut: 0,
  window: 65_160,
  ...more,
})
const icmp = (version: 4 | 6, type: number, code: number): IcmpError => ({ version, type, code, from: '10.0.0.2' })
const evidence = (more: Partial<Evidence>): Evidence => ({
  errno: null,
  failedSynchronously: false,
  info: info(),
  icmp: null,
  icmpFromSelf: false,
  ...more,
})

const rows: readonly [string, Partial<Evidence>, reason: string, answer: string | null, code: string | null][] = [
  ['no error', { errno: 0 }, 'connected', 'syn-ack', null],
  ['a SYN proxy', { errno: 0, info: info({ state: 1, window: 0 }) }, 'connected', 'zero-window', null],
  [
    'a window that the kernel does not report',
    { errno: 0, info: info({ state: 1, window: null }) },
    'connected',
    'syn-ack',
    null,
  ],
  ['RST', { errno: errno.ECONNREFUSED }, 'refused', 'rst', 'ECONNREFUSED'],
  ['reset after the handshake', { errno: errno.ECONNRESET }, 'connected', 'syn-ack', 'ECONNRESET'],
  ['finished and reset after the handshake', { errno: errno.EPIPE }, 'connected', 'syn-ack', 'EPIPE'],
  ['the kernel gave up', { errno: errno.ETIMEDOUT }, 'timeout', null, 'ETIMEDOUT'],
  ['no message to explain EHOSTUNREACH', { errno: errno.EHOSTUNREACH }, 'unreachable', null, 'EHOSTUNREACH'],
  ['EHOSTUNREACH at once', { errno: errno.EHOSTUNREACH, failedSynchronously: true }, 'local', null, 'EHOSTUNREACH'],
  ['EMFILE without a socket', { errno: errno.EMFILE, failedSynchronously: true, info: null }, 'local', null, 'EMFILE'],
  ['an unknown error', { errno: errno.ELOOP }, 'local', null, 'ELOOP'],
  ['silence', {}, 'timeout', 'nothing', null],
  [
    'silence to two SYNs',
    { info: info({ timeouts: 1, synRetransmits: 1, retransmitsOut: 1 }) },
    'timeout',
    'nothing',
    null,
  ],
  ['no repeated SYN left this machine', { info: info({ timeouts: 1, synRetransmits: 1 }) }, 'local', null, 'EPERM'],
  ['the first SYN still waits', { info: info({ timeouts: 1 }) }, 'unreachable', 'no-neighbour', null],
  ['port unreachable', { errno: errno.ECONNREFUSED, icmp: icmp(4, 3, 3) }, 'rejected', 'icmp', 'ECONNREFUSED'],
  ['ICMPv6 port unreachable', { errno: errno.ECONNREFUSED, icmp: icmp(6, 1, 4) }, 'rejected', 'icmp', 'ECONNREFUSED'],
  ['admin prohibited', { errno: errno.EHOSTUNREACH, icmp: icmp(4, 3, 13) }, 'rejected', 'icmp', 'EHOSTUNREACH'],
  ['ICMPv6 admin prohibited', { errno: errno.EACCES, icmp: icmp(6, 1, 1) }, 'rejected', 'icmp', 'EACCES'],
  ['network unreachable', { errno: errno.ENETUNREACH, icmp: icmp(4, 3, 0) }, 'unreachable', 'icmp', 'ENETUNREACH'],
  ['ICMPv6 no route', { errno: errno.ENETUNREACH, icmp: icmp(6, 1, 0) }, 'unreachable', 'icmp', 'ENETUNREACH'],
  ['a router finds no host', { errno: errno.EHOSTUNREACH, icmp: icmp(4, 3, 1) }, 'unreachable', 'icmp', 'EHOSTUNREACH'],
  ['time exceeded', { errno: errno.EHOSTUNREACH, icmp: icmp(4, 11, 0) }, 'unreachable', 'icmp', 'EHOSTUNREACH'],
  [
    'a code that refuses, of another type',
    { errno: errno.EHOSTUNREACH, icmp: icmp(4, 11, 3) },
    'unreachable',
    'icmp',
    'EHOSTUNREACH',
  ],
  [
    'we find no neighbour',
    { errno: errno.EHOSTUNREACH, icmp: icmp(4, 3, 1), icmpFromSelf: true },
    'unreachable',
    'no-neighbour',
    'EHOSTUNREACH',
  ],
  [
    'we find no IPv6 neighbour',
    { errno: errno.EHOSTUNREACH, icmp: icmp(6, 1, 3), icmpFromSelf: true },
    'unreachable',
    'no-neighbour',
    'EHOSTUNREACH',
  ],
  [
    'our own firewall',
    { errno: errno.ECONNREFUSED, icmp: icmp(4, 3, 3), icmpFromSelf: true },
    'local',
    'icmp',
    'ECONNREFUSED',
  ],
  ['a message that did not end the dial before the deadline', { icmp: icmp(4, 3, 13) }, 'rejected', 'icmp', null],
]

for (const [what, more, reason, answer, code] of rows) {
  test(`${what}: ${reason}`, () => {
    const { errno, ...rest } = classify(evidence(more))
    assert.deepEqual({ ...rest, code: errno === null ? null : errnoName(errno) }, { reason, answer, code })
  })
}

const silent = (gateway: string | null): NextHop => ({ gateway, isSilent: true })
const answering: NextHop = { gateway: '10.0.0.1', isSilent: false }
const noNeighbour = { errno: errno.EHOSTUNREACH, icmp: icmp(4, 3, 1), icmpFromSelf: true }
const byNextHop: readonly [string, Partial<Evidence>, NextHop | null, reason: string, answer: string | null][] = [
  ['no ARP answer, by a gateway', noNeighbour, silent('10.0.0.1'), 'local', 'no-gateway'],
  ['no ARP answer, by a gateway that answers again', noNeighbour, answering, 'local', 'no-gateway'],
  ['no ARP answer, on our own network', noNeighbour, silent(null), 'unreachable', 'no-neighbour'],
  ['no ARP answer, by an unknown route', noNeighbour, null, 'unreachable', 'no-next-hop'],
  [
    'the first SYN still waits, by a gateway',
    { info: info({ timeouts: 1 }) },
    silent('10.0.0.1'),
    'local',
    'no-gateway',
  ],
  ['silence by a silent gateway', {}, silent('10.0.0.1'), 'local', 'no-gateway'],
  ['silence of a silent host', {}, silent(null), 'unreachable', 'no-neighbour'],
  ['silence behind a gateway that answers', {}, answering, 'timeout', 'nothing'],
  ['silence by an unknown route', {}, null, 'timeout', 'nothing'],
  [
    'SYNs lost in a full queue',
    { info: info({ timeouts: 1, synRetransmits: 1 }) },
    silent('10.0.0.1'),
    'local',
    'no-gateway',
  ],
  ['our own firewall drops', { info: info({ timeouts: 1, synRetransmits: 1 }) }, answering, 'local', null],
  ['the kernel gave up on a silent gateway', { errno: errno.ETIMEDOUT }, silent('10.0.0.1'), 'local', 'no-gateway'],
]

for (const [what, more, hop, reason, answer] of byNextHop) {
  test(`${what}: ${reason}, ${answer}`, () => {
    const classification = classify(evidence(more))
    assert.ok(dependsOnNextHop(evidence(more), classification))
    const judged = classifyNextHop(classification, hop)
    assert.deepEqual([judged.reason, judged.answer], [reason, answer])
    assert.equal(judged.gateway ?? null, answer === 'no-gateway' ? '10.0.0.1' : null)
  })
}

test('no route is queried if another machine answered or connect(2) itself failed', () => {
  const others: readonly Partial<Evidence>[] = [
    { errno: 0 },
    { errno: errno.ECONNREFUSED },
    { errno: errno.ECONNRESET },
    { errno: errno.EHOSTUNREACH, icmp: icmp(4, 3, 1) },
    { errno: errno.ECONNREFUSED, icmp: icmp(4, 3, 3), icmpFromSelf: true },
    { icmp: icmp(4, 3, 13) },
    { errno: errno.EPERM, failedSynchronously: true },
    { errno: errno.ENETUNREACH, failedSynchronously: true },
  ]
  for (const more of others) assert.equal(dependsOnNextHop(evidence(more), classify(evidence(more))), false)
})

test('only errors of a peer count as answers to connect(2)', () => {
  const { ECONNREFUSED, ECONNRESET, EPIPE, ENETUNREACH, EPERM, EMFILE } = errno
  assert.deepEqual([ECONNREFUSED, ECONNRESET, EPIPE].map(isAnswer), [true, true, true])
  assert.deepEqual([ENETUNREACH, EPERM, EMFILE].map(isAnswer), [false, false, false])
})

test('only an answer that came back counts as a round trip', () => {
  const answers = [
    'syn-ack',
    'zero-window',
    'rst',
    'icmp',
    'no-neighbour',
    'no-gateway',
    'no-next-hop',
    'nothing',
    null,
  ] as const
  assert.deepEqual(answers.map(isRoundTrip), [true, true, true, true, false, false, false, false, false])
})

test('an error without a name keeps its number', () => {
  assert.deepEqual([errnoName(111), errnoName(4000)], ['ECONNREFUSED', 'errno 4000'])
})
