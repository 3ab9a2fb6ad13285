import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { before, describe, test } from 'node:test'
import { diagnose } from '../../../src/domain/check/diagnosis.ts'
import { verdictOf } from '../../../src/domain/check/outcome.ts'
import type { Prober } from '../../../src/prober/prober.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { enterNamespace, sh } from '../../support/namespace.ts'
import { checkOnce, targetOf } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'

const skip = await enterNamespace(import.meta.filename)

/** Timeouts that end after the kernel gives up on ARP or neighbour discovery, after a retransmission, and before any retransmission. */
const timeouts = [6000, 1500, 300]

/** Addresses with an unused gateway. `gateway` is null for an address on our own network. */
const rows: readonly {
  readonly what: string
  readonly ip: string
  readonly port?: number
  readonly gateway: string | null
  readonly says?: 'ARP' | 'neighbour discovery'
}[] = [
  { what: 'the default route', ip: '10.30.0.1', gateway: '10.9.1.1' },
  { what: 'the default route, dialled as an IPv4-mapped address', ip: '::ffff:10.30.0.2', gateway: '10.9.1.1' },
  { what: 'a route for a part of the net', ip: '10.20.0.1', gateway: '10.9.1.3' },
  { what: 'an IPv4 route by an IPv6 gateway', ip: '10.21.0.1', gateway: 'fe80::97%near', says: 'neighbour discovery' },
  { what: 'a rule for the destination', ip: '10.23.0.1', gateway: '10.9.1.6' },
  { what: 'a rule for the port', ip: '10.30.0.3', port: 8443, gateway: '10.9.1.7' },
  { what: 'a rule for the source that the kernel picks', ip: '10.24.0.1', gateway: '10.9.1.8' },
  { what: 'an IPv6 route by a link-local gateway', ip: 'fd30::1', gateway: 'fe80::99%near' },
  { what: 'an IPv6 route for a part of the net', ip: 'fd20::1', gateway: 'fd09:1::3' },
  { what: 'an IPv6 rule for the port', ip: 'fd30::2', port: 8443, gateway: 'fd09:1::7' },
  { what: 'an address on our own network', ip: '10.9.1.77', gateway: null },
  { what: 'an IPv6 address on our own network', ip: 'fd09:1::77', gateway: null },
  { what: 'a link-local address', ip: 'fe80::77%near', gateway: null },
  { what: 'an address of a route without a gateway', ip: '10.25.0.1', gateway: null },
]

describe('a next hop that does not answer', { skip }, () => {
  let prober: Prober

  before(async () => {
    sh(`
      ip link add near type veth peer name far; ip link set far up; ip link set near up
      ip addr add 10.9.1.2/24 dev near; ip addr add 10.9.3.2/32 dev near
      ip addr add fd09:1::2/64 dev near nodad; ip addr add fe80::1/64 dev near nodad
      ip route add default via 10.9.1.1;          ip -6 route add default via fe80::99 dev near
      ip route add 10.20.0.0/16 via 10.9.1.3;     ip -6 route add fd20::/16 via fd09:1::3
      ip route add 10.21.0.0/16 via inet6 fe80::97 dev near
      ip route add 10.22.0.0/16 nexthop via 10.9.1.4 nexthop via 10.9.1.5
      ip route add default via 10.9.1.6 table 100; ip rule add to 10.23.0.0/16 lookup 100
      ip route add default via 10.9.1.7 table 101; ip rule add ipproto tcp dport 8443 lookup 101
      ip route add 10.24.0.0/16 via 10.9.1.1 src 10.9.3.2
      ip route add default via 10.9.1.8 table 102; ip rule add from 10.9.3.2 lookup 102
      ip -6 route add default via fd09:1::7 table 101; ip -6 rule add ipproto tcp dport 8443 lookup 101
      ip route add 10.25.0.0/16 dev near`)
    prober = await makeKernel({ clock: systemClock() })
  })

  describe('is found by the route', { concurrency: true }, () => {
    for (const { what, ip, port = 80, gateway, says } of rows) {
      for (const [place, timeoutMs] of timeouts.entries()) {
        test(`${what}, within ${timeoutMs} ms: ${gateway ?? 'the host'}`, async () => {
          // Each check has its own port, because connections to one port would wait for each other.
          const outcome = await checkOnce(prober, ip, port === 80 ? port + place : port, timeoutMs)
          const { reason, answer, icmp, latencyMs, code } = outcome
          const said = diagnose(outcome, targetOf(ip, port))
          const protocol = says ?? (ip.includes(':') && !ip.includes('.') ? 'neighbour discovery' : 'ARP')
          assert.equal(latencyMs, null)
          if (gateway === null) {
            assert.deepEqual([reason, answer, verdictOf(reason)], ['unreachable', 'no-neighbour', 'down'])
            assert.match(said, new RegExp(`does not answer on its own network \\(no ${protocol} reply\\)`))
            return
          }
          assert.deepEqual(
            { reason, answer, icmp, code, verdict: verdictOf(reason) },
            { reason: 'local', answer: 'no-gateway', icmp: null, code: gateway, verdict: 'unknown' },
          )
          assert.equal(
            said,
            `could not be checked: the gateway ${gateway} on the way to ${ip} does not answer ${protocol}`,
          )
        })
      }
    }
  })

  test('of several gateways the outcome names the one that the kernel looked for', async () => {
    const named = new Set<string | null>()
    for (let host = 1; host <= 12; host++) {
      const { answer, code } = await checkOnce(prober, `10.22.0.${host}`, 80, 200)
      assert.equal(answer, 'no-gateway')
      named.add(code)
      const asked = execFileSync('ip', ['neigh', 'show', 'to', code ?? ''], { encoding: 'utf8' })
      assert.match(asked, /INCOMPLETE|FAILED/)
      sh('ip neigh flush dev near 2>/dev/null || true')
    }
    for (const gateway of named) assert.match(gateway ?? '', /^10\.9\.1\.[45]$/)
  })

  test('a changed route is seen at the next check', async () => {
    for (const gateway of ['10.9.1.9', '10.9.1.10', null]) {
      sh(`ip route replace 10.26.0.0/16 ${gateway === null ? 'dev near' : `via ${gateway}`}`)
      const { reason, answer, code } = await checkOnce(prober, '10.26.0.1', 80, 200)
      const found = gateway === null ? ['unreachable', 'no-neighbour', null] : ['local', 'no-gateway', gateway]
      assert.deepEqual([reason, answer, code], found)
    }
  })

  test('none of 600 targets behind a silent gateway is down, although the kernel drops waiting SYNs', async () => {
    const checks = Array.from({ length: 600 }, (_, i) =>
      checkOnce(prober, `10.30.${1 + (i % 3)}.${1 + (i % 200)}`, 100 + (i % 7), 5000),
    )
    const found = new Map<string, number>()
    for (const { reason, answer, code } of await Promise.all(checks)) {
      const key = `${reason} ${answer} ${code}`
      found.set(key, (found.get(key) ?? 0) + 1)
    }
    assert.deepEqual([...found], [['local no-gateway 10.9.1.1', 600]])
  })

  test('without readable routes the verdict is down, and the sentence names the host and the gateway', async () => {
    // A gateway that no earlier check waited for. While the kernel gives up on a gateway with many waiting SYNs, it discards a new SYN
    // (neigh_invalidate in net/core/neighbour.c), which then looks sent.
    sh('ip route add 10.27.0.0/16 via 10.9.1.11')
    const outcomes = await checkWithoutNetlink([
      ['10.27.0.9', 1500],
      ['10.9.1.78', 1500],
      ['10.20.0.9', 300],
    ])
    const both =
      '10.X:80, or the gateway on the way to it, does not answer (no ARP reply): the host is off, no host has this address, or the gateway is silent'
    assert.deepEqual(outcomes, [
      ['unreachable', 'no-next-hop', both.replace('10.X', '10.27.0.9')],
      ['unreachable', 'no-next-hop', both.replace('10.X', '10.9.1.78')],
      [
        'timeout',
        'nothing',
        "no answer from 10.20.0.9:80 to 1 SYN in SPAN: a firewall drops the packets, no host has this address, or the listener's queue is full",
      ],
    ])
  })

  test('the prober closes', () => prober.close())
})

/** Checks from a process that may not open a netlink socket, because a seccomp filter returns EPERM (seccomp(2), bpf(4)). */
async function checkWithoutNetlink(checks: readonly [ip: string, timeoutMs: number][]): Promise<unknown> {
  const url = (path: string) => JSON.stringify(import.meta.resolve(path))
  const program = `(async () => {
    const { default: koffi } = await import(${JSON.stringify(import.meta.resolve('koffi'))})
    const { checkOnce, targetOf } = await import(${url('../contract.ts')})
    const { makeKernel } = await import(${url('../make-kernel.ts')})
    const { systemClock } = await import(${url('../../../src/runtime/clock.ts')})
    const { diagnose } = await import(${url('../../../src/domain/check/diagnosis.ts')})
    const prctl = koffi.load(null).func('int prctl(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t)')
    const socket = process.arch === 'x64' ? 41 : 198
    // Each instruction: code u16, jump if true u8, jump if false u8, operand u32.
    const filter = [
      [0x20, 0, 0, 0], [0x15, 0, 3, socket], // load the number of the call; not socket(2): allow
      [0x20, 0, 0, 16], [0x15, 0, 1, 16], // load its first argument; not AF_NETLINK: allow
      [0x06, 0, 0, 0x00050001], [0x06, 0, 0, 0x7fff0000], // EPERM; allow
    ]
    const code = Buffer.alloc(filter.length * 8)
    filter.forEach(([op, yes, no, k], i) => {
      code.writeUInt16LE(op, i * 8); code[i * 8 + 2] = yes; code[i * 8 + 3] = no; code.writeUInt32LE(k, i * 8 + 4)
    })
    const head = Buffer.alloc(16)
    head.writeUInt16LE(filter.length, 0)
    head.writeBigUInt64LE(koffi.address(code), 8)
    if (prctl(38, 1, 0, 0, 0) !== 0 || prctl(22, 2, koffi.address(head), 0, 0) !== 0) throw new Error('no seccomp')
    const prober = await makeKernel({ clock: systemClock() })
    const found = []
    for (const [ip, timeoutMs] of ${JSON.stringify(checks)}) {
      const outcome = await checkOnce(prober, ip, 80, timeoutMs)
      found.push([outcome.reason, outcome.answer, diagnose(outcome, targetOf(ip, 80)).replace(/3\\d\\d ms/, 'SPAN')])
    }
    await prober.close()
    console.log(JSON.stringify(found))
  })()`
  const child = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  await once(child, 'close')
  return JSON.parse(text)
}
