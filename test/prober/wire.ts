/**
 * The contract of a prober on a real network. The kernel plays every row between two hosts of a network namespace, over IPv4 and IPv6. Run the
 * contract in a file that entered a namespace.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Reason } from '../../src/domain/check/outcome.ts'
import type { Prober } from '../../src/prober/prober.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createResolvConf, sh } from '../support/namespace.ts'
import { assertOnTime, checkOnce, type MakeProber, resetProgram } from './contract.ts'
import { createNetwork, families, far, fillQueue, port, startListener } from './network.ts'

/** The default timeout in milliseconds: enough for three seconds of ARP or ND, and for an ICMP error that counts only at the next SYN (see below). */
const patienceMs = 8000

type Row = {
  readonly what: string
  /** The addresses for IPv4 and IPv6; those of the far host when absent. */
  readonly ip?: { readonly v4: string; readonly v6: string }
  readonly port: number
  readonly reason: Reason
  readonly code: { readonly v4: string | null; readonly v6: string | null } | string | null
  readonly timeoutMs?: number
}

// The kernel drops an ICMP error that arrives while the socket is inside connect(2) (tcp_v4_err: "LockDroppedIcmps"). Between namespaces of one
// machine the answer can be that fast. The next SYN, a second later, causes another one.

const rows: readonly Row[] = [
  { what: 'a listener', port, reason: 'connected', code: null },
  {
    what: 'a listener at a link-local address with a zone',
    ip: { v4: '10.0.0.2', v6: 'fe80::2%near' },
    port,
    reason: 'connected',
    code: null,
  },
  {
    what: 'a link-local address without an interface',
    ip: { v4: 'fe80::2', v6: 'FEBF::2' },
    port,
    reason: 'local',
    code: 'EINVAL',
  },
  {
    what: 'a link-local address with an interface that does not exist',
    ip: { v4: 'fe80::2%nosuch', v6: 'fe80::2%987654' },
    port,
    reason: 'local',
    code: 'EINVAL',
  },
  { what: 'a closed port', port: 8001, reason: 'refused', code: 'ECONNREFUSED' },
  { what: 'a firewall that answers with RST', port: 84, reason: 'refused', code: 'ECONNREFUSED' },
  {
    what: 'a firewall that answers "port unreachable"',
    port: 83,
    reason: 'refused',
    code: 'ECONNREFUSED',
  },
  {
    what: 'a firewall that answers "admin prohibited"',
    port: 82,
    reason: 'unreachable',
    code: { v4: 'EHOSTUNREACH', v6: 'EACCES' },
  },
  {
    what: 'a router without a route',
    ip: { v4: '10.7.0.1', v6: 'fd07::1' },
    port,
    reason: 'unreachable',
    code: 'ENETUNREACH',
  },
  {
    what: 'an address that no host on the network has',
    ip: { v4: '10.0.0.99', v6: 'fd00::99' },
    port,
    reason: 'unreachable',
    code: 'EHOSTUNREACH',
  },
  {
    what: 'an unused address behind a router that looks for it',
    ip: { v4: '10.4.0.9', v6: 'fd04::9' },
    port,
    reason: 'unreachable',
    code: 'EHOSTUNREACH',
  },
  {
    what: 'an unused address behind a router that forwards to no host',
    ip: { v4: '10.5.0.9', v6: 'fd05::9' },
    port,
    reason: 'timeout',
    code: null,
    timeoutMs: 1300,
  },
  {
    what: 'an address behind a router that drops',
    ip: { v4: '10.6.0.9', v6: 'fd06::9' },
    port,
    reason: 'timeout',
    code: null,
    timeoutMs: 1300,
  },
  { what: 'a listener whose queue is full', port: 85, reason: 'timeout', code: null, timeoutMs: 1300 },
  { what: 'a firewall that drops', port: 81, reason: 'timeout', code: null, timeoutMs: 700 },
  // A drop in our own OUTPUT chain looks like any other drop until TCP sends the SYN again. Then only the counters of the kernel show it.
  { what: 'our own firewall that drops', port: 91, reason: 'timeout', code: null, timeoutMs: 700 },
  {
    what: 'our own firewall that drops, when there is time for a second SYN',
    port: 91,
    reason: 'timeout',
    code: null,
    timeoutMs: 1500,
  },
  {
    what: 'our own firewall that answers "port unreachable"',
    port: 93,
    reason: 'refused',
    code: 'ECONNREFUSED',
  },
  {
    what: 'our own firewall that answers "admin prohibited"',
    port: 94,
    reason: 'unreachable',
    code: { v4: 'EHOSTUNREACH', v6: 'EACCES' },
  },
  {
    what: 'our own firewall that answers with RST',
    port: 92,
    reason: 'refused',
    code: 'ECONNREFUSED',
  },
  {
    what: 'no route of our own',
    ip: { v4: '192.0.2.1', v6: '2001:db8::1' },
    port,
    reason: 'local',
    code: 'ENETUNREACH',
  },
  {
    what: 'a prohibit route of our own',
    ip: { v4: '10.8.0.1', v6: 'fd08::1' },
    port,
    reason: 'local',
    code: 'EACCES',
  },
  {
    what: 'an unreachable route of our own',
    ip: { v4: '10.9.0.1', v6: 'fd09::1' },
    port,
    reason: 'local',
    code: 'EHOSTUNREACH',
  },
  {
    what: 'a blackhole route of our own',
    ip: { v4: '10.10.0.1', v6: 'fd10::1' },
    port,
    reason: 'local',
    code: 'EINVAL',
  },
]

/** Other results for some rows, by the text of the row, for a prober with more evidence. */
export type Exceptions = Readonly<Record<string, Partial<Pick<Row, 'reason' | 'code'>>>>

export function wireContract(
  name: string,
  skip: false | string,
  makeProber: MakeProber,
  exceptions: Exceptions = {},
): void {
  const clock = systemClock()
  let prober: Prober
  const closing: (() => Promise<void>)[] = []

  describe(`${name}, seen on the wire`, { skip }, () => {
    before(async () => {
      const host = await createNetwork()
      closing.push(host.close)
      closing.push(await fillQueue(host, 85))
      closing.push(await startListener(host, resetProgram('::', 86)))
      prober = await makeProber({ clock })
      closing.push(prober.close)
      // Warms up, because the first packet between two hosts waits for ARP and ND.
      for (const family of families) assert.equal((await checkOnce(prober, far[family], port)).reason, 'connected')
    })
    after(async () => {
      for (const close of closing.reverse()) await close()
    })

    describe('each row', { concurrency: true }, () => {
      for (const row of rows) {
        for (const family of families) {
          const { reason, code } = { ...row, ...exceptions[row.what] }
          test(`${row.what} (${family}): ${reason}`, async (t) => {
            const ip = (row.ip ?? far)[family]
            const outcome = await checkOnce(prober, ip, row.port, row.timeoutMs ?? patienceMs)
            const took = outcome.endedAt - outcome.startedAt
            t.diagnostic(`${outcome.reason} ${outcome.code} after ${took.toFixed(2)} ms`)
            const expected = code !== null && typeof code === 'object' ? code[family] : code
            assert.deepEqual([outcome.reason, outcome.code], [reason, expected])
            if (row.timeoutMs !== undefined) assertOnTime(outcome, row.timeoutMs)
          })
        }
      }
    })

    test('a check with dropped packets ends at its timeout and delays no other check', async () => {
      const dropped = families.map((family) => checkOnce(prober, far[family], 81, 1500))
      for (let round = 0; round < 20; round++) {
        const others = await Promise.all(
          Array.from({ length: 50 }, (_, i) => checkOnce(prober, far[families[i % 2] ?? 'v4'], port, 1000)),
        )
        assert.deepEqual(new Set(others.map(({ reason }) => reason)), new Set(['connected']))
      }
      for (const outcome of await Promise.all(dropped)) {
        assert.equal(outcome.reason, 'timeout')
        assertOnTime(outcome, 1500)
      }
    })

    for (const close of ['half-open', 'rst', 'fin'] as const) {
      for (const family of families) {
        test(`a listener that resets what it accepts is always connected, with close ${close} (${family})`, async (t) => {
          const found = new Map<string, number>()
          for (let check = 0; check < 200; check++) {
            const { reason, code, latencyMs } = await checkOnce(prober, far[family], 86, 2000, close)
            const key = `${reason}${latencyMs === null ? ' without latency' : ''}`
            found.set(key, (found.get(key) ?? 0) + 1)
            assert.ok(code === null || code === 'ECONNRESET' || code === 'EPIPE', `${code}`)
          }
          t.diagnostic(JSON.stringify(Object.fromEntries(found)))
          assert.deepEqual([...found], [['connected', 200]])
        })
      }
    }

    test('a connection to itself does not count as a listener, for any spelling of the address', async () => {
      // The only port to dial from is the dialled port, where nothing listens, so the kernel connects the socket to itself.
      sh('sysctl -qw net.ipv4.ip_local_port_range="41000 41000"')
      const own = await makeProber({ clock })
      try {
        const written = [
          '127.0.0.1',
          '127.0.0.2',
          '0.0.0.0',
          '10.0.0.1',
          '::1',
          '::',
          '::ffff:127.0.0.1',
          '::ffff:0.0.0.0',
        ]
        for (const ip of [...written, 'fd00::1', 'fe80::1%near']) {
          for (const close of ['half-open', 'rst'] as const) {
            const { reason, code } = await checkOnce(own, ip, 41_000, 2000, close)
            assert.deepEqual([ip, reason, code], [ip, 'refused', 'ECONNREFUSED'])
          }
        }
      } finally {
        sh('sysctl -qw net.ipv4.ip_local_port_range="32768 60999"')
        await own.close()
      }
    })

    for (const family of families) {
      test(`a check without a free local port is our own fault (${family})`, async () => {
        sh('sysctl -qw net.ipv4.ip_local_port_range="40000 40003"')
        const taken = Array.from({ length: 4 }, () => net.connect({ host: far[family], port, autoSelectFamily: false }))
        await Promise.all(taken.map((socket) => once(socket, 'connect')))
        const { reason, code, address } = await checkOnce(prober, far[family], port)
        sh('sysctl -qw net.ipv4.ip_local_port_range="32768 60999"')
        for (const socket of taken) socket.resetAndDestroy()
        assert.deepEqual([reason, code], ['local', 'EADDRNOTAVAIL'])
        assert.equal(address, family === 'v4' ? `10.0.0.2:${port}` : `[fd00::2]:${port}`)
        assert.equal(
          (await checkOnce(prober, far[family], port)).reason,
          'connected',
          'a check connects when ports are free again',
        )
      })

      test(`a check without a free file descriptor is our own fault (${family})`, async () => {
        const give = exhaustDescriptors()
        // A check with FIN needs a new socket. The other close modes may reuse a kept socket.
        const { reason, code } = await checkOnce(prober, far[family], port, 2000, 'fin').finally(give)
        assert.deepEqual([reason, code], ['local', 'EMFILE'])
        assert.equal(
          (await checkOnce(prober, far[family], port)).reason,
          'connected',
          'a check connects when descriptors are free again',
        )
      })
    }

    test('names: a missing name is dns, and an absent or silent name server is our own fault', async () => {
      const resolvConf = createResolvConf()
      const nameServer = await createNameServer('127.0.0.1')
      try {
        resolvConf.write('nameserver 127.0.0.1\n')
        const missing = await checkOnce(prober, 'missing.test', port)
        assert.deepEqual([missing.reason, missing.code, missing.address], ['dns', 'ENOTFOUND', null])

        resolvConf.write('nameserver 127.0.0.2\n')
        const nobody = await checkOnce(prober, 'nobody.test', port)
        assert.deepEqual([nobody.reason, nobody.code, nobody.address], ['local', 'EAI_AGAIN', null])

        // One second and one attempt, because the process cannot end before getaddrinfo returns.
        resolvConf.write(`nameserver ${far.v4}\noptions timeout:1 attempts:1\n`)
        const silent = await checkOnce(prober, 'silent.test', port, 300)
        assert.deepEqual([silent.reason, silent.code, silent.address], ['local', null, null])
        assertOnTime(silent, 300)
      } finally {
        nameServer.close()
        resolvConf.close()
      }
    })
  })
}

/** Opens files until no descriptor is free. Returns a function that closes them. */
function exhaustDescriptors(): () => void {
  const pid = String(process.pid)
  const limit = execFileSync('prlimit', ['--pid', pid, '--nofile', '--noheadings', '--output', 'SOFT'], {
    encoding: 'utf8',
  })
  execFileSync('prlimit', ['--pid', pid, '--nofile=256:'])
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EMFILE')
  }
  return () => {
    for (const descriptor of taken) closeSync(descriptor)
    execFileSync('prlimit', ['--pid', pid, `--nofile=${limit.trim()}:`])
  }
}

/** Starts a name server for which no name exists (RFC 1035 §4.1.1: it returns the query as a response with code 3). */
async function createNameServer(ip: string) {
  const server = createSocket('udp4')
  server.on('message', (query, from) => {
    query.writeUInt16BE(0x8183, 2)
    server.send(query, from.port, from.address)
  })
  server.bind(53, ip)
  await once(server, 'listening')
  return server
}
