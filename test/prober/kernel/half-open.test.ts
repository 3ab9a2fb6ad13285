import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import type { Close } from '../../../src/domain/service/policy-settings.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { enterNamespace } from '../../support/namespace.ts'
import { checkOnce } from '../contract.ts'
import { makeKernel } from '../make-kernel.ts'

const skip = await enterNamespace(import.meta.filename)
const clock = systemClock()
const noTshark = spawnSync('tshark', ['--version']).error !== undefined && 'tshark is not installed'

/** Starts a listener that counts the connections that its program accepts. */
async function createListener() {
  let accepted = 0
  const server = net.createServer((socket) => {
    accepted++
    server.emit('accepted')
    socket.on('error', () => {}).resume()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return { port, server, accepted: () => accepted, close: () => server.close() }
}

describe('the kernel prober ends a connection', { skip }, () => {
  for (const close of ['rst', 'fin'] as const) {
    test(`with ${close}: the checked program accepts every connection`, async (t) => {
      const listener = await createListener()
      t.after(listener.close)
      const prober = await makeKernel({ clock })
      t.after(prober.close)
      for (let check = 1; check <= 20; check++) {
        const accepted = once(listener.server, 'accepted')
        assert.equal((await checkOnce(prober, '127.0.0.1', listener.port, 2000, close)).reason, 'connected')
        await accepted
      }
      assert.equal(listener.accepted(), 20)
    })
  }

  test('with half-open: the checked program accepts no connection', async (t) => {
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    // Retries, because TCP holds back an ACK for 40 ms only: a thread that stalls longer completes the handshake.
    const seen: number[] = []
    while (seen.length < 5 && !seen.includes(0)) {
      const listener = await createListener()
      for (let check = 0; check < 200; check++) {
        const { reason } = await checkOnce(prober, '127.0.0.1', listener.port, 2000, 'half-open')
        assert.equal(reason, 'connected')
      }
      // Connections are accepted in order, so no earlier one waits after this one.
      const accepted = once(listener.server, 'accepted')
      await checkOnce(prober, '127.0.0.1', listener.port, 2000, 'fin')
      await accepted
      seen.push(listener.accepted() - 1)
      listener.close()
    }
    assert.ok(seen.includes(0), `accepted in each round of 200: ${seen}`)
  })

  test('the counters of the checked machine are as documented, and its program sees no half-open check', async (t) => {
    const listener = await createListener()
    t.after(listener.close)
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    const counted = async (close: Close) => {
      const before = readCounters()
      for (let check = 0; check < 20; check++) await checkOnce(prober, '127.0.0.1', listener.port, 2000, close)
      const after = readCounters()
      return Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]))
    }
    // Retries, because TCP holds back an ACK for 40 ms only: a thread that stalls longer completes a handshake.
    for (let round = 1; ; round++) {
      const { AttemptFails, EmbryonicRsts, PassiveOpens } = await counted('half-open')
      if (PassiveOpens !== 0 && round < 5) continue
      assert.deepEqual([AttemptFails, EmbryonicRsts, PassiveOpens], [20, 20, 0])
      break
    }
    const { AttemptFails, EmbryonicRsts, PassiveOpens } = await counted('rst')
    assert.deepEqual([AttemptFails, EmbryonicRsts, PassiveOpens], [0, 0, 20])
  })

  test('the packets on the wire are those of its close mode', { skip: noTshark }, async (t) => {
    const listener = await createListener()
    t.after(listener.close)
    const prober = await makeKernel({ clock })
    t.after(prober.close)
    const capture = startCapture(listener.port)
    t.after(capture.stop)
    // The closed port answers every SYN with RST. Its packets show that the capture runs, and when it has everything.
    const knock = async () => checkOnce(prober, '127.0.0.1', marker, 1000)
    await capture.until((packets) => packets.some(isMarker), knock)

    const closes: readonly Close[] = ['half-open', 'rst', 'half-open', 'fin', 'rst', 'half-open']
    const halfOpenAt = [0, 2, 5]
    // Retries for the same reason as above: a thread that stalls for 40 ms completes a handshake.
    for (let round = 1; ; round++) {
      for (const close of closes) await checkOnce(prober, '127.0.0.1', listener.port, 2000, close)
      // Waits for both FINs, because the peer decides when it closes.
      const hasFins = (packets: Packet[]) => packets.filter(({ flags }) => flags.includes('FIN')).length === 2 * round
      await capture.until(hasFins, knock)

      const connections = Map.groupBy(
        capture.packets().filter((packet) => !isMarker(packet)),
        ({ stream }) => stream,
      )
      const all = [...connections.values()].map((packets) => packets.map(({ flags }) => flags))
      const seen = all.slice(-closes.length)
      if (round < 5 && halfOpenAt.some((index) => seen[index]?.[2] === 'ACK')) continue
      const halfOpen = ['SYN', 'SYN ACK', 'RST']
      // A closed socket sends a bare RST. A socket that is kept to dial again adds an ACK.
      for (const index of halfOpenAt)
        assert.equal(seen[index]?.splice(2, 1, 'RST').join().replace(' ACK', ''), 'RST', JSON.stringify(all))
      const rst = ['SYN', 'SYN ACK', 'ACK', 'RST ACK']
      assert.deepEqual([seen[0], seen[1], seen[2], seen[4], seen[5]], [halfOpen, rst, halfOpen, rst, halfOpen])
      assert.deepEqual(seen[3]?.slice(0, 4), ['SYN', 'SYN ACK', 'ACK', 'FIN ACK'])
      assert.ok(!seen[3].some((flags) => flags.includes('RST')))
      break
    }
  })
})

/** Returns the counters of TCP in this namespace (proc_pid_net(5)). Each group has a line of names and a line of counts. */
function readCounters(): Record<string, number> {
  const lines = ['/proc/net/snmp', '/proc/net/netstat'].flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  const counters: Record<string, number> = {}
  for (let at = 0; at + 1 < lines.length; at++) {
    const [group, ...names] = (lines[at] ?? '').split(' ')
    const [again, ...counts] = (lines[at + 1] ?? '').split(' ')
    if (group !== again || !group?.startsWith('Tcp')) continue
    for (const [index, name] of names.entries()) counters[name] ??= Number(counts[index])
    at++
  }
  return counters
}

const marker = 9
type Packet = { readonly stream: string; readonly port: number; readonly flags: string }
const isMarker = ({ port }: Packet) => port === marker

/** Captures the packets of the two ports on loopback, for two minutes at most. */
function startCapture(port: number) {
  const filter = `tcp port ${port} or tcp port ${marker}`
  const fields = ['tcp.stream', 'tcp.srcport', 'tcp.dstport', 'tcp.flags'].flatMap((field) => ['-e', field])
  const tshark = spawn(
    'tshark',
    ['-n', '-l', '-i', 'lo', '-a', 'duration:120', '-f', filter, '-T', 'fields', ...fields],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  const gone = once(tshark, 'exit')
  let text = ''
  tshark.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  const packets = (): Packet[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [stream = '', from, to, flags] = line.split('\t')
        return {
          stream,
          port: Number(from) === marker || Number(to) === marker ? marker : port,
          flags: nameFlags(Number(flags)),
        }
      })
  return {
    packets,
    async until(isEnough: (packets: Packet[]) => boolean, knock: () => Promise<unknown>) {
      const giveUpAt = clock.now() + 60_000
      while (!isEnough(packets())) {
        assert.ok(clock.now() < giveUpAt, `captured only:\n${text}`)
        await knock()
        await new Promise((done) => setTimeout(done, 50))
      }
    },
    async stop() {
      tshark.kill()
      await gone
    },
  }
}

/** Returns the names of the flags of a TCP header that matter here (RFC 9293 §3.1). */
function nameFlags(flags: number): string {
  const names: [number, string][] = [
    [0x02, 'SYN'],
    [0x01, 'FIN'],
    [0x04, 'RST'],
    [0x10, 'ACK'],
  ]
  return names
    .filter(([bit]) => flags & bit)
    .map(([, name]) => name)
    .join(' ')
}
