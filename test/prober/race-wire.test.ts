/** Tests of names with several addresses on real sockets, where one family does not work. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { createResolver } from '../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../src/prober/portable.ts'
import { awaitOutcome, type Prober } from '../../src/prober/prober.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { enterNamespace, sh } from '../support/namespace.ts'
import { checkOnce, listen, type MakeProber, targetOf } from './contract.ts'
import { makeKernel } from './make-kernel.ts'

const skip = await enterNamespace(import.meta.filename)
const clock = systemClock()
const makePortable: MakeProber = ({ clock, lookup }) =>
  createPortableProber({ clock, resolver: createResolver({ clock, ...(lookup && { lookup }) }) })

/** Drops every SYN to these addresses until the test is over. */
function drop(t: TestContext, ...rules: string[]): void {
  sh(`nft add table inet lost
    nft add chain inet lost input '{ type filter hook input priority 0; }'
    ${rules.map((rule) => `nft add rule inet lost input ${rule} drop`).join('\n')}`)
  t.after(() => sh('nft delete table inet lost'))
}

/** Builds a prober for which every name has these addresses. Returns it with the port of a listener on 127.0.0.1. */
async function build(t: TestContext, make: MakeProber, addresses: readonly string[]): Promise<[Prober, number]> {
  const prober = await make({ clock, lookup: () => Promise.resolve(addresses) })
  t.after(prober.close)
  return [prober, await listen(t, '127.0.0.1')]
}

const openDescriptors = () => readdirSync('/proc/self/fd').length

for (const [name, make] of [
  ['kernel', makeKernel],
  ['portable', makePortable],
] as const) {
  describe(`the ${name} prober and a name with several addresses`, { skip }, () => {
    test('it connects to the other family if nothing listens on the first', async (t) => {
      const [prober, port] = await build(t, make, ['::1', '127.0.0.1'])
      const { reason, address } = await checkOnce(prober, 'localhost', port)
      assert.deepEqual([reason, address], ['connected', `127.0.0.1:${port}`])
    })

    test('it connects to the other family if packets to the first are lost', async (t) => {
      drop(t, 'ip6 daddr ::1')
      const [prober, port] = await build(t, make, ['::1', '127.0.0.1'])
      const { reason, address, latencyMs, startedAt, endedAt } = await checkOnce(prober, 'localhost', port)
      assert.deepEqual([reason, address], ['connected', `127.0.0.1:${port}`])
      // The latency does not include the 250 ms in which the first address was silent.
      assert.ok(
        latencyMs !== null && latencyMs <= endedAt - startedAt - 240,
        'the latency is that of the address that connected',
      )
    })

    test('the outcome describes each address if none connects', async (t) => {
      drop(t, 'ip daddr 127.0.0.9')
      const [prober, port] = await build(t, make, ['127.0.0.9', '::1'])
      const { reason, address, note } = await checkOnce(prober, 'localhost', port, 700)
      assert.deepEqual([reason, address], ['timeout', `127.0.0.9:${port}`])
      assert.match(note ?? '', /^\[::1\]:\d+: (nothing listens|refused)/)
    })

    test('a family without an address on this machine is ignored', async (t) => {
      sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=1')
      t.after(() => sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=0'))
      const [prober, port] = await build(t, make, ['::1', '127.0.0.1'])
      assert.equal((await checkOnce(prober, 'localhost', port)).reason, 'connected')
      const { reason, address, note } = await checkOnce(prober, 'localhost', 1)
      assert.deepEqual([reason, address], ['refused', '127.0.0.1:1'])
      assert.match(note ?? '', /^\[::1\]:1: this machine has no route to it \(E[A-Z]+\)$/)
      const [only] = await build(t, make, ['::1'])
      assert.equal(
        (await checkOnce(only, 'localhost', port)).reason,
        'local',
        'without another family nothing is known',
      )
    })

    test('a race leaves no descriptor open', async (t) => {
      drop(t, 'ip daddr 127.0.0.9')
      const [prober] = await build(t, make, ['127.0.0.9', '::1'])
      // The kernel prober keeps connected IPv4 sockets to dial again.
      const port = await listen(t, '::1')
      await checkOnce(prober, 'localhost', port)
      const before = openDescriptors()
      // Each check has its own target, because the family that connected goes first in the next check of a target.
      const names = Array.from({ length: 200 }, (_, i) => targetOf(`db-${i}`, port))
      for (let round = 0; round < 2; round++) {
        const outcomes = await Promise.all(
          names.map((target) => awaitOutcome(prober, { target, timeoutMs: 30_000, close: 'rst', urgent: false })),
        )
        assert.deepEqual([...new Set(outcomes.map((outcome) => outcome?.reason))], ['connected'])
      }
      const deadline = clock.now() + 10_000
      while (openDescriptors() > before + 10 && clock.now() < deadline) await checkOnce(prober, '::1', port)
      assert.ok(openDescriptors() <= before + 10, `${openDescriptors()} descriptors are open, ${before} were before`)
    })

    test('a prober that closes ends every dial of a race', async (t) => {
      drop(t, 'ip6 daddr ::1', 'ip daddr 127.0.0.9')
      const before = openDescriptors()
      const prober = await make({ clock, lookup: () => Promise.resolve(['::1', '127.0.0.9']) })
      const server = net.createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      server.close()
      const racing = awaitOutcome(prober, {
        target: targetOf('db', port),
        timeoutMs: 60_000,
        close: 'rst',
        urgent: true,
      })
      await new Promise((done) => setTimeout(done, 400))
      await prober.close()
      assert.equal(await racing, undefined)
      assert.ok(openDescriptors() <= before + 2)
    })
  })
}
