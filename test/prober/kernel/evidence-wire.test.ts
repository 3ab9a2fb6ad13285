import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { diagnose } from '../../../src/domain/check/diagnosis.ts'
import type { IcmpError, Outcome } from '../../../src/domain/check/outcome.ts'
import type { Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { enterNamespace } from '../../support/namespace.ts'
import { checkOnce, targetOf } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'
import { createNetwork, families, far, fillQueue, port } from '../network.ts'

const skip = await enterNamespace(import.meta.filename)

type Icmp = Omit<IcmpError, 'version'>
type PerFamily<Value> = { readonly v4: Value; readonly v6: Value }

type Row = {
  readonly what: string
  readonly ip?: PerFamily<string>
  readonly port: number
  readonly timeoutMs: number
  readonly found: Pick<Outcome, 'reason' | 'answer'>
  readonly code?: PerFamily<string>
  readonly icmp?: PerFamily<Icmp>
  /** How many SYNs were sent again; undefined: any number. */
  readonly synRetransmits?: number
  /** The sentence. ADDRESS stands for the dialled address, LATENCY for a short time, and FROM for the sender of the ICMP message. */
  readonly says: PerFamily<string> | string
}

const both = <Value>(value: Value): PerFamily<Value> => ({ v4: value, v6: value })
/** The seconds after which TCP sends a SYN again. Since Linux 6.5 the first four are evenly spaced (tcp_syn_linear_timeouts in ip-sysctl). */
const resentAfter = existsSync('/proc/sys/net/ipv4/tcp_syn_linear_timeouts') ? [1, 2, 3, 4] : [1, 3, 7]
const resentWithin = (timeoutMs: number) => resentAfter.filter((seconds) => seconds * 1000 < timeoutMs).length
const silence = (timeoutMs: number, span = `${(timeoutMs / 1000).toFixed(1)} s`) => {
  const syns = resentWithin(timeoutMs) + 1
  return `no answer from ADDRESS to ${syns} ${syns === 1 ? 'SYN' : 'SYNs'} in ${span}: a firewall drops the packets, no host has this address, or the listener's queue is full`
}
const noNeighbour = (protocol: string) =>
  `ADDRESS does not answer on its own network (no ${protocol} reply): the host is off, or no host has this address`
const farSays = (v4: [number, number], v6: [number, number]): PerFamily<Icmp> => ({
  v4: { type: v4[0], code: v4[1], from: '10.0.0.2' },
  v6: { type: v6[0], code: v6[1], from: 'fd00::2' },
})
const weSay = (v4: [number, number], v6: [number, number]): PerFamily<Icmp> => ({
  v4: { type: v4[0], code: v4[1], from: '10.0.0.1' },
  v6: { type: v6[0], code: v6[1], from: 'fd00::1' },
})

const rows: readonly Row[] = [
  {
    what: 'a listener',
    port,
    timeoutMs: 2000,
    found: { reason: 'connected', answer: 'syn-ack' },
    synRetransmits: 0,
    says: 'connected in LATENCY',
  },
  {
    what: 'a closed port',
    port: 8001,
    timeoutMs: 2000,
    found: { reason: 'refused', answer: 'rst' },
    code: both('ECONNREFUSED'),
    synRetransmits: 0,
    says: 'nothing listens on ADDRESS (RST in LATENCY)',
  },
  {
    what: 'a firewall that answers with RST',
    port: 84,
    timeoutMs: 2000,
    found: { reason: 'refused', answer: 'rst' },
    code: both('ECONNREFUSED'),
    synRetransmits: 0,
    says: 'nothing listens on ADDRESS (RST in LATENCY)',
  },
  {
    what: 'a firewall that answers "port unreachable"',
    port: 83,
    timeoutMs: 5000,
    found: { reason: 'rejected', answer: 'icmp' },
    code: both('ECONNREFUSED'),
    icmp: farSays([3, 3], [1, 4]),
    says: {
      v4: 'a firewall at FROM rejects ADDRESS (ICMP port unreachable)',
      v6: 'a firewall at FROM rejects ADDRESS (ICMPv6 port unreachable)',
    },
  },
  {
    what: 'a firewall that answers "admin prohibited"',
    port: 82,
    timeoutMs: 5000,
    found: { reason: 'rejected', answer: 'icmp' },
    code: { v4: 'EHOSTUNREACH', v6: 'EACCES' },
    icmp: farSays([3, 13], [1, 1]),
    says: {
      v4: 'a firewall at FROM rejects ADDRESS (ICMP administratively prohibited)',
      v6: 'a firewall at FROM rejects ADDRESS (ICMPv6 administratively prohibited)',
    },
  },
  {
    what: 'a firewall that drops, with time for one SYN',
    port: 81,
    timeoutMs: 700,
    found: { reason: 'timeout', answer: 'nothing' },
    synRetransmits: 0,
    says: silence(700, '70X ms'),
  },
  {
    what: 'a firewall that drops, with time for four',
    port: 81,
    timeoutMs: 3500,
    found: { reason: 'timeout', answer: 'nothing' },
    synRetransmits: resentWithin(3500),
    says: silence(3500),
  },
  {
    what: 'an unused address behind a router that forwards to no host',
    ip: { v4: '10.5.0.8', v6: 'fd05::8' },
    port,
    timeoutMs: 2500,
    found: { reason: 'timeout', answer: 'nothing' },
    synRetransmits: resentWithin(2500),
    says: silence(2500),
  },
  {
    what: 'an address behind a router that drops',
    ip: { v4: '10.6.0.8', v6: 'fd06::8' },
    port,
    timeoutMs: 2500,
    found: { reason: 'timeout', answer: 'nothing' },
    synRetransmits: resentWithin(2500),
    says: silence(2500),
  },
  {
    what: 'a listener whose queue is full',
    port: 85,
    timeoutMs: 1500,
    found: { reason: 'timeout', answer: 'nothing' },
    synRetransmits: 1,
    says: silence(1500),
  },
  {
    what: 'an unused address behind a router that looks for it',
    ip: { v4: '10.4.0.8', v6: 'fd04::8' },
    port,
    timeoutMs: 8000,
    found: { reason: 'unreachable', answer: 'icmp' },
    code: both('EHOSTUNREACH'),
    icmp: farSays([3, 1], [1, 3]),
    says: {
      v4: 'ADDRESS cannot be reached: FROM says so (ICMP host unreachable)',
      v6: 'ADDRESS cannot be reached: FROM says so (ICMPv6 address unreachable)',
    },
  },
  {
    what: 'a router without a route',
    ip: { v4: '10.7.0.8', v6: 'fd07::8' },
    port,
    timeoutMs: 8000,
    found: { reason: 'unreachable', answer: 'icmp' },
    code: both('ENETUNREACH'),
    icmp: farSays([3, 0], [1, 0]),
    says: {
      v4: 'ADDRESS cannot be reached: FROM says so (ICMP network unreachable)',
      v6: 'ADDRESS cannot be reached: FROM says so (ICMPv6 no route)',
    },
  },
  {
    what: 'an unused address on the network, when the kernel gives up',
    ip: { v4: '10.0.0.99', v6: 'fd00::99' },
    port,
    timeoutMs: 8000,
    found: { reason: 'unreachable', answer: 'no-neighbour' },
    code: both('EHOSTUNREACH'),
    icmp: weSay([3, 1], [1, 3]),
    synRetransmits: 0,
    says: { v4: noNeighbour('ARP'), v6: noNeighbour('neighbour discovery') },
  },
  {
    what: 'an unused address on the network, at a deadline before that',
    ip: { v4: '10.0.0.98', v6: 'fd00::98' },
    port,
    timeoutMs: 1500,
    found: { reason: 'unreachable', answer: 'no-neighbour' },
    synRetransmits: 0,
    says: { v4: noNeighbour('ARP'), v6: noNeighbour('neighbour discovery') },
  },
  {
    what: 'our own firewall that drops',
    port: 91,
    timeoutMs: 1500,
    found: { reason: 'local', answer: null },
    code: both('EPERM'),
    synRetransmits: 1,
    says: "could not be checked: this machine's own rules forbid dialling ADDRESS (EPERM)",
  },
  {
    what: 'our own firewall that answers "port unreachable"',
    port: 93,
    timeoutMs: 5000,
    found: { reason: 'local', answer: 'icmp' },
    code: both('ECONNREFUSED'),
    icmp: weSay([3, 3], [1, 4]),
    says: {
      v4: "could not be checked: this machine's own firewall rejects ADDRESS with ICMP port unreachable (ECONNREFUSED)",
      v6: "could not be checked: this machine's own firewall rejects ADDRESS with ICMPv6 port unreachable (ECONNREFUSED)",
    },
  },
  {
    what: 'no route of our own',
    ip: { v4: '192.0.2.1', v6: '2001:db8::1' },
    port,
    timeoutMs: 2000,
    found: { reason: 'local', answer: null },
    code: both('ENETUNREACH'),
    synRetransmits: 0,
    says: 'could not be checked: this machine has no route to ADDRESS (ENETUNREACH)',
  },
]

describe('the kernel prober’s evidence', { skip, concurrency: true }, () => {
  let prober: Prober
  const closing: (() => Promise<void>)[] = []

  before(async () => {
    const host = await createNetwork()
    closing.push(host.close)
    closing.push(await fillQueue(host, 85))
    prober = await makeKernel({ clock: systemClock() })
    closing.push(prober.close)
    // Warms up, because the first packet between two hosts waits for ARP and ND.
    for (const family of families) assert.equal((await checkOnce(prober, far[family], port)).reason, 'connected')
  })
  after(async () => {
    for (const close of closing.reverse()) await close()
  })

  for (const row of rows) {
    for (const family of families) {
      test(`${row.what} (${family}): ${row.found.reason}, ${row.found.answer}`, async () => {
        const ip = (row.ip ?? far)[family]
        const outcome = await checkOnce(prober, ip, row.port, row.timeoutMs)
        const { reason, answer, code, icmp, synRetransmits, latencyMs } = outcome
        assert.deepEqual(
          { reason, answer, code, icmp },
          {
            ...row.found,
            code: row.code?.[family] ?? null,
            icmp: row.icmp ? { version: family === 'v4' ? 4 : 6, ...row.icmp[family] } : null,
          },
        )
        assert.equal(synRetransmits, row.synRetransmits ?? synRetransmits)
        assert.equal(typeof synRetransmits, 'number')
        // For a handshake the latency is measured by the kernel; otherwise it is the time until our thread saw the answer.
        if (answer === 'syn-ack') assert.ok(latencyMs !== null && latencyMs > 0, `${latencyMs} ms`)
        else assert.equal(latencyMs !== null, answer === 'rst' || answer === 'icmp')

        const address = family === 'v4' ? `${ip}:${row.port}` : `[${ip}]:${row.port}`
        const said = diagnose(outcome, targetOf(ip, row.port))
        const expected = (typeof row.says === 'string' ? row.says : row.says[family])
          .replace('ADDRESS', address)
          .replace('FROM', icmp?.from ?? 'no sender')
        assert.equal(said.replace(/ \d+(\.\d+)? ms(?=\)?$)/, ' LATENCY').replace(/ 7\d\d ms:/, ' 70X ms:'), expected)
      })
    }
  }
})
