import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import type { IcmpError } from '../../../src/domain/outcome.ts'
import { errnoName } from '../../../src/prober/errno.ts'
import { type Evidence, isRoundTrip, judge } from '../../../src/prober/kernel/evidence.ts'
import type { TcpInfo } from '../../../src/prober/kernel/sockets.ts'

const { errno } = constants
const info = (more: Partial<TcpInfo> = {}): TcpInfo => ({
  state: 2,
  rttMs: 0,
  timeouts: 0,
  synRetransmits: 0,
  retransmitsOut: 0,
  ...more,
})
const icmp = (version: 4 | 6, type: number, code: number): IcmpError => ({ version, type, code, from: '10.0.0.2' })
const evidence = (more: Partial<Evidence>): Evidence => ({
  errno: null,
  atOnce: false,
  info: info(),
  icmp: null,
  icmpFromSelf: false,
  ...more,
})

const rows: readonly [string, Partial<Evidence>, reason: string, answer: string | null, code: string | null][] = [
  ['no error', { errno: 0 }, 'connected', 'syn-ack', null],
  ['RST', { errno: errno.ECONNREFUSED }, 'refused', 'rst', 'ECONNREFUSED'],
  ['reset after the handshake', { errno: errno.ECONNRESET }, 'reset', 'rst', 'ECONNRESET'],
  ['finished and reset after the handshake', { errno: errno.EPIPE }, 'reset', 'rst', 'EPIPE'],
  ['the kernel gave up', { errno: errno.ETIMEDOUT }, 'timeout', null, 'ETIMEDOUT'],
  ['no message to explain EHOSTUNREACH', { errno: errno.EHOSTUNREACH }, 'unreachable', null, 'EHOSTUNREACH'],
  ['EHOSTUNREACH at once', { errno: errno.EHOSTUNREACH, atOnce: true }, 'local', null, 'EHOSTUNREACH'],
  ['EMFILE without a socket', { errno: errno.EMFILE, atOnce: true, info: null }, 'local', null, 'EMFILE'],
  ['an error nobody thought of', { errno: errno.ELOOP }, 'local', null, 'ELOOP'],
  ['silence', {}, 'timeout', 'nothing', null],
  [
    'silence to two SYNs',
    { info: info({ timeouts: 1, synRetransmits: 1, retransmitsOut: 1 }) },
    'timeout',
    'nothing',
    null,
  ],
  ['no SYN got out again', { info: info({ timeouts: 1, synRetransmits: 1 }) }, 'local', null, 'EPERM'],
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
  ['a message that did not end it before the deadline', { icmp: icmp(4, 3, 13) }, 'rejected', 'icmp', null],
]

for (const [what, more, reason, answer, code] of rows) {
  test(`${what}: ${reason}`, () => {
    const { errno, ...rest } = judge(evidence(more))
    assert.deepEqual({ ...rest, code: errno === null ? null : errnoName(errno) }, { reason, answer, code })
  })
}

test('only what came back counts as a round trip', () => {
  const answers = ['syn-ack', 'rst', 'icmp', 'no-neighbour', 'nothing', null] as const
  assert.deepEqual(answers.map(isRoundTrip), [true, true, true, false, false, false])
})

test('an error without a name keeps its number', () => {
  assert.deepEqual([errnoName(111), errnoName(4000)], ['ECONNREFUSED', 'errno 4000'])
})
