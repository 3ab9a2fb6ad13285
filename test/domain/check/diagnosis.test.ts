import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diagnose, formatSpan } from '../../../src/domain/check/diagnosis.ts'
import { type Outcome, type Reason, reasons } from '../../../src/domain/check/outcome.ts'
import { targetAt } from '../../../src/domain/target/target.ts'

const target = targetAt('db-1', 5432)
const found = (reason: Reason, evidence: Partial<Outcome> = {}): Outcome => ({
  reason,
  startedAt: 1000,
  endedAt: 3000,
  address: '10.0.0.7:5432',
  latencyMs: null,
  synRetransmits: null,
  answer: null,
  icmp: null,
  code: null,
  note: null,
  lookupMs: null,
  lookupFailedSince: null,
  ...evidence,
})

const sentences: readonly [Outcome, string][] = [
  [found('connected', { latencyMs: 0.2149 }), 'connected in 0.21 ms'],
  [
    found('refused', { latencyMs: 0.31, code: 'ECONNREFUSED' }),
    'refused in 0.31 ms: nothing listens on 10.0.0.7:5432, or a firewall rejects it',
  ],
  [
    found('connected', { latencyMs: 0.2, answer: 'syn-ack', code: 'ECONNRESET' }),
    'connected in 0.20 ms, and reset by the peer at once (ECONNRESET)',
  ],
  [found('connected', { latencyMs: 1003, synRetransmits: 1 }), 'connected in 1.0 s, after 1 lost SYN'],
  [
    found('refused', { latencyMs: 0.2, code: 'ECONNREFUSED', answer: 'rst' }),
    'nothing listens on 10.0.0.7:5432 (RST in 0.20 ms)',
  ],
  [
    found('rejected', { answer: 'icmp', icmp: { version: 4, type: 3, code: 3, from: '10.0.0.1' } }),
    'a firewall at 10.0.0.1 rejects 10.0.0.7:5432 (ICMP port unreachable)',
  ],
  [
    found('unreachable', {
      answer: 'icmp',
      icmp: { version: 6, type: 1, code: 0, from: 'fd00::1' },
      address: '[fd07::7]:5432',
    }),
    '[fd07::7]:5432 cannot be reached: fd00::1 says so (ICMPv6 no route)',
  ],
  [
    found('unreachable', { answer: 'icmp', icmp: { version: 4, type: 12, code: 1, from: null } }),
    '10.0.0.7:5432 cannot be reached: a router says so (ICMP type 12 code 1)',
  ],
  [
    found('unreachable', { answer: 'no-neighbour' }),
    '10.0.0.7:5432 does not answer on its own network (no ARP reply): the host is off, or no host has this address',
  ],
  [
    found('unreachable', { answer: 'no-neighbour', address: '[fd00::7]:5432' }),
    '[fd00::7]:5432 does not answer on its own network (no neighbour discovery reply): the host is off, or no host has this address',
  ],
  [
    found('unreachable', { answer: 'no-neighbour', address: '[::ffff:10.0.0.7]:5432' }),
    '[::ffff:10.0.0.7]:5432 does not answer on its own network (no ARP reply): the host is off, or no host has this address',
  ],
  [
    found('unreachable', { answer: 'no-next-hop' }),
    '10.0.0.7:5432, or the gateway on the way to it, does not answer (no ARP reply): the host is off, no host has this address, or the gateway is silent',
  ],
  [
    found('local', { answer: 'no-gateway', code: '10.0.0.1' }),
    'could not be checked: the gateway 10.0.0.1 on the way to 10.0.0.7 does not answer ARP',
  ],
  [
    found('local', { answer: 'no-gateway', code: 'fe80::1%eth0', address: '[fd00::7]:5432' }),
    'could not be checked: the gateway fe80::1%eth0 on the way to fd00::7 does not answer neighbour discovery',
  ],
  [
    found('local', { code: 'EINVAL', address: '[fe80::5]:5432' }),
    'could not be checked: a link-local address needs the interface it is reached by, such as [fe80::5%eth0]:5432 (EINVAL)',
  ],
  [
    found('local', { code: 'EINVAL', address: '[fe80::5%nosuch]:5432' }),
    'could not be checked: this machine has no interface nosuch (EINVAL)',
  ],
  [
    found('local', { code: 'ENODEV', address: '[fe80::5%nosuch]:5432' }),
    'could not be checked: this machine has no interface nosuch, or it is down (ENODEV)',
  ],
  [found('local', { code: 'ENODEV' }), 'could not be checked: dialling 10.0.0.7:5432 failed on this machine (ENODEV)'],
  [
    found('local', { code: 'ECONNREFUSED', answer: 'icmp', icmp: { version: 4, type: 3, code: 3, from: '10.0.0.1' } }),
    "could not be checked: this machine's own firewall rejects 10.0.0.7:5432 with ICMP port unreachable (ECONNREFUSED)",
  ],
  [found('local', { code: 'EWORKERDIED' }), 'could not be checked: the prober died and was restarted (EWORKERDIED)'],
  [found('rejected', { code: 'EHOSTUNREACH' }), 'a firewall rejects 10.0.0.7:5432 (EHOSTUNREACH)'],
  [
    found('timeout'),
    "no answer from 10.0.0.7:5432 in 2.0 s: a firewall drops the packets, no host has this address, the gateway is silent, or the listener's queue is full",
  ],
  [
    found('timeout', { synRetransmits: 0, endedAt: 1800, answer: 'nothing' }),
    "no answer from 10.0.0.7:5432 to 1 SYN in 800 ms: a firewall drops the packets, no host has this address, or the listener's queue is full",
  ],
  [
    found('timeout', { synRetransmits: 2, address: '[fd00::7]:5432', answer: 'nothing' }),
    "no answer from [fd00::7]:5432 to 3 SYNs in 2.0 s: a firewall drops the packets, no host has this address, or the listener's queue is full",
  ],
  [
    found('unreachable', { code: 'EHOSTUNREACH' }),
    '10.0.0.7:5432 cannot be reached (EHOSTUNREACH): the host is off or no host has this address, the gateway is silent, or a router or firewall on the way turns the packets back',
  ],
  [
    found('unreachable', { code: 'ENETUNREACH' }),
    '10.0.0.7:5432 cannot be reached (ENETUNREACH): a router on the way has no route to it',
  ],
  [
    found('unreachable', { code: 'EACCES', address: '[fd00::7]:5432' }),
    '[fd00::7]:5432 cannot be reached (EACCES): a firewall on the way prohibits it',
  ],
  [
    found('unreachable', { code: 'ENOPROTOOPT' }),
    '10.0.0.7:5432 cannot be reached (ENOPROTOOPT): a router, a firewall or the host itself turns the packets back',
  ],
  [found('reset', { code: 'ECONNRESET' }), '10.0.0.7:5432 accepted the connection, then closed it (ECONNRESET)'],
  [found('mismatch'), '10.0.0.7:5432 gave an unexpected answer'],
  [found('tls', { code: 'EPROTO' }), 'the TLS handshake with 10.0.0.7:5432 failed (EPROTO)'],
  [found('dns', { address: null, code: 'ENOTFOUND' }), 'the name db-1 does not exist, or has no address (ENOTFOUND)'],
  [
    found('denied', { address: '127.0.0.1:5432', code: 'loopback' }),
    '127.0.0.1:5432 was not dialled: it is a loopback address, which may not be dialled for services registered over HTTP: set dial.loopback: true, or list it in dial.allow, with all else that may be dialled',
  ],
  [
    found('denied', { code: 'dial.deny 10.0.0.0/8' }),
    '10.0.0.7:5432 was not dialled: dial.deny 10.0.0.0/8 forbids it for services registered over HTTP: take that out, or write a smaller range',
  ],
  [
    found('other', { code: 'answered' }),
    'another replica, of a newer version, found "answered", which this version of Porthole does not know',
  ],
  [found('local', { address: null }), 'could not be checked: no resolver answered for the name db-1 in 2.0 s'],
  [
    found('local', { address: null, code: 'EAI_AGAIN' }),
    'could not be checked: the name db-1 could not be looked up (EAI_AGAIN)',
  ],
  [
    found('local', { address: null, code: 'EQUEUED' }),
    'could not be checked: the look-up of db-1 waited too long behind slow look-ups of other names (EQUEUED)',
  ],
  [found('local', { code: 'EMFILE' }), 'could not be checked: Porthole has no file descriptor left (EMFILE)'],
  [
    found('local', { code: 'EADDRNOTAVAIL' }),
    'could not be checked: Porthole has no local address or port left to dial 10.0.0.7:5432 from (EADDRNOTAVAIL)',
  ],
  [found('local', { code: 'ENOBUFS' }), 'could not be checked: Porthole has no memory left for a socket (ENOBUFS)'],
  [
    found('local', { code: 'ENETUNREACH' }),
    'could not be checked: this machine has no route to 10.0.0.7:5432 (ENETUNREACH)',
  ],
  [
    found('local', { code: 'ENETDOWN' }),
    "could not be checked: this machine's network toward 10.0.0.7:5432 is down (ENETDOWN)",
  ],
  [
    found('local', { code: 'EACCES' }),
    "could not be checked: this machine's own rules forbid dialling 10.0.0.7:5432 (EACCES)",
  ],
  [found('local', { code: 'EINVAL' }), 'could not be checked: this machine drops packets to 10.0.0.7:5432 (EINVAL)'],
  [
    found('local', { code: 'ESOMETHING' }),
    'could not be checked: dialling 10.0.0.7:5432 failed on this machine (ESOMETHING)',
  ],
  [found('expired'), 'its registration has expired'],
]

for (const [outcome, sentence] of sentences) {
  test(`the sentence is: ${sentence}`, () => {
    assert.equal(diagnose(outcome, target), sentence)
  })
}

test('every reason has a sentence', () => {
  assert.deepEqual(new Set(sentences.map(([outcome]) => outcome.reason)), new Set(reasons))
})

test('a span has a readable unit and number of digits, and is never "10.00 ms" or "1000 ms"', () => {
  const spans: readonly [number, string][] = [
    [0, '0.00 ms'],
    [0.2149, '0.21 ms'],
    [9.994, '9.99 ms'],
    [9.996, '10 ms'],
    [999.4, '999 ms'],
    [999.9, '1.0 s'],
    [2000.4, '2.0 s'],
    [61_000, '61.0 s'],
  ]
  for (const [ms, text] of spans) assert.equal(formatSpan(ms), text)
})
