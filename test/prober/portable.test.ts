import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createResolver } from '../../src/prober/lookup/resolver.ts'
import { type Connect, createPortableProber } from '../../src/prober/portable.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { checkOnce, dialResultSeen, listen, type MakeProber, proberContract } from './contract.ts'

const clock = systemClock()
const makePortable: MakeProber = ({ clock, lookup }) =>
  createPortableProber({ clock, resolver: createResolver({ clock, ...(lookup && { lookup }) }) })

proberContract('portable', makePortable)

function dialling(t: TestContext, connect: Connect) {
  const prober = createPortableProber({ clock, connect })
  t.after(() => prober.close())
  return prober
}

const failure = (code: string) => Object.assign(new Error(`made up: ${code}`), { code })

/** Builds a socket that never dials, and that the test can fail like an answer from the network would. */
const failingLater =
  (code: string): Connect =>
  () => {
    const socket = new net.Socket()
    setImmediate(() => socket.destroy(failure(code)))
    return socket
  }

/** Builds a socket that fails like one of Node.js when connect(2) itself fails. */
const failingAtOnce =
  (code: string): Connect =>
  () => {
    const socket = new net.Socket()
    process.nextTick(() => socket.destroy(failure(code)))
    return socket
  }

const errors: readonly [string, later: string, atOnce: string][] = [
  ['ECONNREFUSED', 'refused', 'local'],
  ['ETIMEDOUT', 'timeout', 'local'],
  ['EHOSTUNREACH', 'unreachable', 'local'],
  ['ENETUNREACH', 'unreachable', 'local'],
  ['EACCES', 'unreachable', 'local'],
  ['EHOSTDOWN', 'unreachable', 'local'],
  ['ENONET', 'unreachable', 'local'],
  ['ENOPROTOOPT', 'unreachable', 'local'],
  ['EOPNOTSUPP', 'unreachable', 'local'],
  ['EPROTO', 'unreachable', 'local'],
  ['ECONNRESET', 'connected', 'connected'],
  ['EPIPE', 'connected', 'connected'],
  ['EMFILE', 'local', 'local'],
  ['EADDRNOTAVAIL', 'local', 'local'],
  ['ENOBUFS', 'local', 'local'],
  ['EAGAIN', 'local', 'local'],
  ['EPERM', 'local', 'local'],
  ['ENETDOWN', 'local', 'local'],
  ['EINVAL', 'local', 'local'],
  ['ESOMETHINGNEW', 'local', 'local'],
  ['constructor', 'local', 'local'],
]

for (const [code, later, failedSynchronously] of errors) {
  test(`portable: ${code} is ${later} from the network, and ${failedSynchronously} from connect(2) itself`, async (t) => {
    const fromNetwork = await checkOnce(dialling(t, failingLater(code)), '127.0.0.1', 1)
    const ownFault = await checkOnce(dialling(t, failingAtOnce(code)), '127.0.0.1', 1)
    assert.deepEqual([fromNetwork.reason, fromNetwork.code], [later, code])
    assert.deepEqual([ownFault.reason, ownFault.code], [failedSynchronously, code])
    assert.equal(ownFault.latencyMs !== null, failedSynchronously === 'connected')
  })
}

test('portable: a link-local address without a known interface is not dialled, because Node.js would pick one', async (t) => {
  const prober = dialling(t, () => assert.fail('dialled'))
  for (const [ip, code] of [
    ['fe80::5', 'EINVAL'],
    ['FEBF::5', 'EINVAL'],
    ['fe80::5%nosuch', 'ENODEV'],
    ['fe80::5%987654', 'ENODEV'],
  ] as const) {
    const { reason, code: found, address, latencyMs } = await checkOnce(prober, ip, 80)
    assert.deepEqual([reason, found, address, latencyMs], ['local', code, `[${ip}]:80`, null])
  }
})

test('portable: an exception of the dial is our own fault', async (t) => {
  const prober = dialling(t, () => {
    throw failure('EMFILE')
  })
  const { reason, code, address } = await checkOnce(prober, '127.0.0.1', 1)
  assert.deepEqual([reason, code, address], ['local', 'EMFILE', '127.0.0.1:1'])
})

test('portable: an answer that arrives while the process is busy is not a timeout', async (t) => {
  const port = await listen(t, '127.0.0.1')
  const prober = dialling(t, (options) => {
    const socket = net.connect(options)
    // Blocks right after connect(2). The handshake completes and the deadline passes before the event loop continues.
    process.nextTick(() => {
      const until = clock.now() + 100
      while (clock.now() < until);
    })
    return socket
  })
  assert.equal((await checkOnce(prober, '127.0.0.1', port, 20)).reason, 'connected')
})

test('portable: a port that only connects to itself is refused', async (t) => {
  const ip = '127.77.0.1'
  const server = net.createServer().listen(0, ip)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  const sockets: net.Socket[] = []
  const prober = dialling(t, (options) => {
    const socket = net.connect({ ...options, localAddress: ip, localPort: port })
    socket.once('connect', () => sockets.push(socket))
    return socket
  })
  const { reason, latencyMs } = await checkOnce(prober, ip, port)
  assert.equal(reason, 'refused')
  assert.ok(latencyMs !== null)
  assert.equal(sockets.length, 1, 'the kernel did connect it to itself')
})

test('portable: half-open ends with RST', async (t) => {
  assert.equal(await dialResultSeen(t, dialling(t, net.connect), 'half-open', ''), 'RST')
})

test('portable: the bytes of the peer are read before the close, because unread bytes would cause an RST', async (t) => {
  // More bytes than Node.js reads ahead.
  const banner = 'x'.repeat(512 * 1024)
  const port = await listen(t, '127.0.0.1', (socket) => socket.end(banner))
  const dialled: net.Socket[] = []
  const prober = dialling(t, (options) => {
    const socket = net.connect(options)
    dialled.push(socket)
    return socket
  })
  assert.equal((await checkOnce(prober, '127.0.0.1', port, 2000, 'fin')).reason, 'connected')
  const [socket] = dialled
  assert.ok(socket)
  await once(socket, 'close')
  assert.equal(socket.bytesRead, banner.length)
})

test('portable: an error after the end of a check does not crash the process', async (t) => {
  const dialled: net.Socket[] = []
  const prober = dialling(t, () => {
    const socket = new net.Socket()
    dialled.push(socket)
    return socket
  })
  const { reason } = await checkOnce(prober, '127.0.0.1', 1, 20)
  assert.equal(reason, 'timeout')
  assert.ok(dialled[0]?.destroyed)
  for (const code of ['ECONNRESET', 'EPIPE']) dialled[0].emit('error', failure(code))
})

test('portable: a closed prober holds no timer and no socket, so the process can end', () => {
  const program = `
    const { createPortableProber } = await import('${import.meta.resolve('../../src/prober/portable.ts')}')
    const { targetAt } = await import('${import.meta.resolve('../../src/domain/target/target.ts')}')
    const { awaitOutcome } = await import('${import.meta.resolve('../../src/prober/prober.ts')}')
    const { createResolver } = await import('${import.meta.resolve('../../src/prober/lookup/resolver.ts')}')
    const net = await import('node:net')
    const clock = { now: () => performance.now() }
    const resolver = createResolver({ clock, lookup: () => new Promise(() => {}) })
    const prober = createPortableProber({ clock, resolver, connect: () => new net.Socket() })
    const request = (host) => ({ target: targetAt(host, 1), timeoutMs: 60_000, close: 'fin' })
    const checks = ['db', '127.0.0.1'].map((host) => awaitOutcome(prober, request(host)))
    await prober.close()
    console.log(JSON.stringify(await Promise.all(checks)))`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  })
  assert.deepEqual([child.status, child.stdout, child.stderr], [0, '[null,null]\n', ''])
})
