import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { createDialRules } from '../../src/domain/target/dial-rules.ts'
import { parseTarget } from '../../src/domain/target/target.ts'
import { createResolver, type Lookup } from '../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../src/prober/portable.ts'
import { awaitOutcome, type Prober } from '../../src/prober/prober.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { enterNamespace, sh } from '../support/namespace.ts'
import { checkOnce, type MakeProber } from './contract.ts'
import { makeKernel, whyNoKernelProber } from './make-kernel.ts'

const skip = await enterNamespace(import.meta.filename)

const clock = systemClock()
const port = 8000
const rules = createDialRules({})

/** Addresses that the rules deny. In the test all of them belong to this machine, so a dial would reach the listener. */
const reachable = [
  '127.0.0.1',
  '127.8.9.10',
  '::1',
  '169.254.169.254',
  '169.254.7.7',
  'fe80::7%here',
  'fd00:ec2::254',
  '100.100.100.200',
  '192.0.0.192',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7',
  '2002:7f00:1::7',
  '2001::80ff:fffe',
  // Linux dials itself for the first, and the IPv4 address for the second.
  '0.0.0.0',
  '::',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:169.254.169.254',
]

/** Spellings of this machine. `refused`: the text is not a valid target. `denied`: the target is valid, but is not dialled. */
const spellings: readonly [text: string, 'refused' | 'denied'][] = [
  ['2130706433:8000', 'refused'],
  ['017700000001:8000', 'refused'],
  ['0x7f000001:8000', 'refused'],
  ['0X7F000001:8000', 'refused'],
  ['0177.0.0.1:8000', 'refused'],
  ['0x7f.0.0.1:8000', 'refused'],
  ['0x7f.1:8000', 'refused'],
  ['127.1:8000', 'refused'],
  ['127.0.1:8000', 'refused'],
  ['127.0.0.01:8000', 'refused'],
  ['127.0.0.1.:8000', 'refused'],
  ['127.0.0.1%lo:8000', 'refused'],
  ['127。0。0。1:8000', 'refused'],
  ['１２７.0.0.1:8000', 'refused'],
  ['0:8000', 'refused'],
  ['::1:8000', 'refused'],
  ['[127.0.0.1]:8000', 'refused'],
  ['[::ffff:127.1]:8000', 'refused'],
  ['[::ffff:0177.0.0.1]:8000', 'refused'],
  ['[::ffff:0x7f.0.0.1]:8000', 'refused'],
  ['user@127.0.0.1:8000', 'refused'],
  ['http://127.0.0.1:8000', 'refused'],
  ['127.0.0.1:8000', 'denied'],
  ['127.255.255.254:8000', 'denied'],
  ['0.0.0.0:8000', 'denied'],
  ['[::]:8000', 'denied'],
  ['[::1]:8000', 'denied'],
  ['[0:0:0:0:0:0:0:1]:8000', 'denied'],
  ['[0000:0000:0000:0000:0000:0000:0000:0001]:8000', 'denied'],
  ['[::0.0.0.1]:8000', 'denied'],
  ['[::1%lo]:8000', 'denied'],
  ['[::ffff:127.0.0.1]:8000', 'denied'],
  ['[::ffff:7f00:1]:8000', 'denied'],
  ['[::FFFF:7F00:0001]:8000', 'denied'],
  ['[0:0:0:0:0:ffff:7f00:1]:8000', 'denied'],
  ['[::ffff:127.0.0.1%lo]:8000', 'denied'],
  ['[::127.0.0.1]:8000', 'denied'],
  ['[::ffff:0:127.0.0.1]:8000', 'denied'],
  ['[64:ff9b::7f00:1]:8000', 'denied'],
  ['[64:FF9B::127.0.0.1]:8000', 'denied'],
  ['[2002:7f00:1::7]:8000', 'denied'],
  // Names of /etc/hosts.
  ['localhost:8000', 'denied'],
  ['LocalHost:8000', 'denied'],
  ['localhost.:8000', 'denied'],
  ['plain.test:8000', 'denied'],
  ['PLAIN.test:8000', 'denied'],
  ['mapped.test:8000', 'denied'],
  ['metadata.test:8000', 'denied'],
  ['six.test:8000', 'denied'],
]
const hosts = `
127.0.0.1 localhost localhost. plain.test
::ffff:127.0.0.1 mapped.test
169.254.169.254 metadata.test
::1 six.test
10.9.0.7 good.test
`

/** Returns how many SYNs arrived at the port of the listener, by a counter of the firewall. */
function synsSeen(): number {
  const [, count] =
    /packets (\d+)/.exec(execFileSync('nft', ['list', 'counter', 'inet', 'watch', 'syns'], { encoding: 'utf8' })) ?? []
  return Number(count)
}

/** Creates a network with a listener on every address. */
async function createDeniedNetwork() {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-test-'))
  writeFileSync(join(folder, 'hosts'), hosts)
  writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: files\n')
  sh(`
    mount --bind ${folder}/hosts /etc/hosts; mount --bind ${folder}/nsswitch.conf /etc/nsswitch.conf
    ip link add here type veth peer name there; ip link set there up; ip addr add fe80::7/64 dev here nodad; ip link set here up
    for ip in 10.9.0.7 169.254.169.254 169.254.7.7 100.100.100.200 192.0.0.192; do ip addr add $ip/32 dev lo; done
    for ip in fd00:ec2::254 64:ff9b::7f00:1 64:ff9b:1::7 2002:7f00:1::7 2001::80ff:fffe; do ip addr add $ip/128 dev lo nodad; done
    nft -f - <<'RULES'
      table inet watch {
        counter syns {}
        chain input { type filter hook input priority 0; tcp dport ${port} tcp flags & (syn | ack) == syn counter name syns; }
      }
RULES`)
  const connectedTo: (string | undefined)[] = []
  const server = net.createServer((socket) => {
    connectedTo.push(socket.localAddress)
    socket.on('error', () => {}).resume()
  })
  server.listen(port, '::')
  await once(server, 'listening')
  return {
    connectedTo,
    close() {
      server.close()
      rmSync(folder, { recursive: true })
    },
  }
}

const network = skip === false ? await createDeniedNetwork() : null
after(() => network?.close())

function rulesContract(name: string, obstacle: false | string, makeProber: MakeProber): void {
  describe(`${name}, under rules`, { skip: skip || obstacle }, () => {
    const build = async (t: TestContext, lookup: Lookup, ownClock = clock): Promise<Prober> => {
      const prober = await makeProber({ clock: ownClock, lookup })
      t.after(() => prober.close())
      return prober
    }
    let asksSystem: Prober
    before(async () => {
      asksSystem = await makeProber({ clock })
    })
    after(() => asksSystem.close())
    const check = (prober: Prober, host: string) => checkOnce(prober, host, port, 2000, 'rst', rules)

    for (const ip of reachable) {
      test(`nothing is sent to ${ip}, which is reachable without rules`, async () => {
        const synsBefore = synsSeen()
        const { reason, address, latencyMs } = await check(asksSystem, ip)
        assert.deepEqual([reason, latencyMs], ['denied', null])
        assert.ok(address?.includes(ip))
        assert.equal(synsSeen(), synsBefore)
        assert.equal((await checkOnce(asksSystem, ip, port)).reason, 'connected')
        assert.equal(synsSeen(), synsBefore + 1)
      })
    }

    for (const [text, what] of spellings) {
      test(`${text} is ${what}`, async () => {
        const target = parseTarget(text)
        if (typeof target === 'string') {
          assert.equal(what, 'refused', target)
          return
        }
        const synsBefore = synsSeen()
        const outcome = await awaitOutcome(asksSystem, { target, timeoutMs: 2000, close: 'rst', urgent: true, rules })
        assert.equal(outcome?.reason, what)
        assert.equal(synsSeen(), synsBefore)
      })
    }

    test('an allowed name is dialled', async () => {
      const { reason, address } = await check(asksSystem, 'good.test')
      assert.deepEqual([reason, address], ['connected', `10.9.0.7:${port}`])
    })

    test('a name whose first address is denied is not dialled at its second', async (t) => {
      const prober = await build(t, () => Promise.resolve(['127.0.0.1', '10.9.0.7']))
      const synsBefore = synsSeen()
      const { reason, address, code } = await check(prober, 'both.test')
      assert.deepEqual([reason, address, code], ['denied', `127.0.0.1:${port}`, 'loopback'])
      assert.equal(synsSeen(), synsBefore)
    })

    test('a look-up result that is not an address is denied', async (t) => {
      for (const answer of ['127.1', '2130706433', 'localhost', '']) {
        const prober = await build(t, () => Promise.resolve([answer]))
        const synsBefore = synsSeen()
        const { reason, code } = await check(prober, 'odd.test')
        assert.deepEqual([reason, code], ['denied', 'not an IP address'])
        assert.equal(synsSeen(), synsBefore)
      }
    })

    test('the rules apply to the new address of a name that moves', async (t) => {
      let ahead = 0
      const hastened = { ...clock, now: () => clock.now() + ahead }
      const answers = ['10.9.0.7', '127.0.0.1', '10.9.0.7', '::ffff:127.0.0.1']
      let asked = 0
      const prober = await build(t, () => Promise.resolve([answers[asked++] ?? '']), hastened)
      const synsBefore = synsSeen()
      const found: (string | null)[][] = []
      for (let i = 0; i < answers.length; i++) {
        // The second check of each pair uses the cached answer of the first.
        for (const { reason, address } of [await check(prober, 'moving.test'), await check(prober, 'moving.test')]) {
          found.push([reason, address])
        }
        ahead += 10_000
      }
      const twice = <Value>(value: Value) => [value, value]
      assert.deepEqual(found, [
        ...twice(['connected', `10.9.0.7:${port}`]),
        ...twice(['denied', `127.0.0.1:${port}`]),
        ...twice(['connected', `10.9.0.7:${port}`]),
        ...twice(['denied', `[::ffff:127.0.0.1]:${port}`]),
      ])
      assert.equal(asked, answers.length, 'no look-up but the one that was judged')
      assert.equal(synsSeen(), synsBefore + 4)
    })

    test('a name with a different address every time never leads to a denied address', async (t) => {
      const connectedTo = network?.connectedTo ?? []
      connectedTo.length = 0
      let asked = 0
      const synsBefore = synsSeen()
      const answer = () => (asked++ % 2 === 0 ? '10.9.0.7' : '127.0.0.1')
      const prober = await build(t, () => Promise.resolve([answer()]))
      // Answers are cached, so each check uses another name with the same name server.
      const outcomes = await Promise.all(Array.from({ length: 200 }, (_, i) => check(prober, `n${i}.test`)))
      const kinds = outcomes.map(({ reason, address }) => `${reason} ${address}`)
      assert.deepEqual(new Set(kinds), new Set([`connected 10.9.0.7:${port}`, `denied 127.0.0.1:${port}`]))
      assert.equal(synsSeen(), synsBefore + 100)
      while (connectedTo.length < 100) await new Promise((done) => setImmediate(done))
      assert.deepEqual(new Set(connectedTo), new Set(['::ffff:10.9.0.7']))
    })
  })
}

rulesContract('portable', false, ({ clock, lookup }) =>
  createPortableProber({ clock, resolver: createResolver({ clock, ...(lookup && { lookup }) }) }),
)
rulesContract('kernel', skip || (await whyNoKernelProber()), makeKernel)
