import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { mostStreams } from '../../../src/http/events/streams.ts'
import { rendered } from '../../metrics/page.ts'
import { type Built, build, holdChecks, listen, stoppedClock } from '../../support/app.ts'
import { until } from '../../support/process.ts'
import { sampleService } from '../../support/samples.ts'

type From = { readonly port: number; readonly host?: string; readonly from?: string }

/** The connections of each test. */
const opened = new WeakMap<TestContext, Socket[]>()

/** Builds a server. The connections of the test close before it, because the server would wait for connections without a request. */
async function start(
  t: TestContext,
  ...[services, options]: [Parameters<typeof build>[1], Parameters<typeof build>[2]]
) {
  const sockets: Socket[] = []
  opened.set(t, sockets)
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const built = await build(t, services, options)
  // Otherwise Node.js would close connections without a request after ten seconds, and a test may take that long on a slow machine.
  Object.assign(built.app.server, { headersTimeout: 0, requestTimeout: 0 })
  return built
}

/** Opens a connection that sends nothing, and closes it after the test. */
async function open(t: TestContext, { port, host = '127.0.0.1', from }: From): Promise<Socket> {
  const socket = net.connect({ port, host, ...(from === undefined ? {} : { localAddress: from }) })
  socket.on('error', () => undefined).setMaxListeners(100)
  opened.get(t)?.push(socket)
  await once(socket, 'connect')
  return socket
}

async function openMany(t: TestContext, count: number, where: From): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) sockets.push(await open(t, where))
  return sockets.map((socket) => socket.resume())
}

/** Sends a request on a new connection, or on a given one. Returns the status line; null when the connection is closed instead. */
async function ask(t: TestContext, path: string, where: From, on?: Socket): Promise<string | null> {
  const socket = on ?? (await open(t, where))
  return new Promise((answered) => {
    let text = ''
    const read = (chunk: Buffer) => {
      text += chunk
      if (!text.includes('\r\n\r\n')) return
      socket.off('data', read)
      if (on === undefined) socket.destroy()
      answered(text.split('\r\n', 1)[0] ?? '')
    }
    socket.on('data', read)
    socket.once('close', () => answered(null))
    socket.write(`GET ${path} HTTP/1.1\r\nHost: porthole\r\n\r\n`)
  })
}

const ok = 'HTTP/1.1 200 OK'
const portOf = (url: string) => Number(new URL(url).port)
const isOpen = (socket: Socket) => !socket.destroyed && !socket.readableEnded
const openAmong = (sockets: readonly Socket[]) => sockets.filter(isOpen).length

async function closed({ metrics }: Built): Promise<Record<string, number>> {
  const page = await rendered(metrics)
  const rows = page.matchAll(/^porthole_http_connections_closed_total\{reason="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...rows].map(([, reason, count]) => [reason, Number(count)]))
}

test('a probe is answered beside a thousand idle connections of its address, which are closed oldest first', async (t) => {
  const built = await start(t, [], { maxConnections: 200 })
  const where = { port: portOf(await built.listen()) }
  const idle = await openMany(t, 1000, where)
  await until('the surplus connections are closed', async () => openAmong(idle) <= 200)
  for (let i = 0; i < 20; i++) assert.equal(await ask(t, '/livez', where), ok)
  await until('the rest are closed', async () => openAmong(idle) < 200)
  assert.deepEqual([openAmong(idle.slice(0, 800)), openAmong(idle.slice(-190))], [0, 190])
  const { unused = 0, ...others } = await closed(built)
  assert.ok(unused > 800 && unused <= 820, `${unused} were closed`)
  assert.deepEqual(others, { idle: 0, full: 0 })
  const page = await rendered(built.metrics)
  assert.match(page, /^porthole_http_connections_max 200$/m)
  assert.match(page, /^porthole_http_connections (199|200)$/m)
})

test('a connection with an occasional request outlives connections that are idle for longer', async (t) => {
  const built = await start(t, [], { maxConnections: 10 })
  const where = { port: portOf(await built.listen()) }
  const probe = await open(t, where)
  for (let round = 0; round < 20; round++) {
    assert.equal(await ask(t, '/livez', where, probe), ok)
    await openMany(t, 5, where)
  }
  assert.ok(isOpen(probe))
})

test('a connection with an incomplete request is idle', async (t) => {
  const built = await start(t, [], { maxConnections: 10 })
  const where = { port: portOf(await built.listen()) }
  const slow = await openMany(t, 30, where)
  for (const socket of slow) if (isOpen(socket)) socket.write('GET /livez HTTP/1.1\r\nHost: porthole\r\nX-')
  for (let i = 0; i < 5; i++) assert.equal(await ask(t, '/livez', where), ok)
  assert.deepEqual((await closed(built)).full, 0)
})

test('connections with a request under way are never closed; while all have one, the new connection is closed', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const built = await start(t, [sampleService('db', ['db:1'])], { clock, prober, maxConnections: 10 })
  const where = { port: portOf(await built.listen()) }

  const streams = await openMany(t, 4, where)
  for (const socket of streams) await new Promise((came) => socket.once('data', came).write(stream))
  // These clients read nothing of their answers.
  const readers = await openMany(t, 3, where)
  for (const socket of readers) socket.pause().write(page.repeat(400))
  const waiting = await openMany(t, 3, where)
  const answers = waiting.map((socket) => ask(t, '/health/db?maxAge=0s', where, socket))
  await until('the checks are under way', async () => prober.held() > 0)
  await until('the readers stall', async () => readers.every((socket) => socket.bytesRead > 0))

  for (let i = 0; i < 20; i++) assert.equal(await ask(t, '/livez', where), null)
  assert.deepEqual(await closed(built), { unused: 0, idle: 0, full: 20 })
  prober.answer()
  assert.deepEqual(await Promise.all(answers), [ok, ok, ok])
  assert.equal(await ask(t, '/livez', where), ok)
  assert.equal(openAmong([...streams, ...readers]), 7)
})
const stream = 'GET /v1/events HTTP/1.1\r\nHost: porthole\r\n\r\n'
const page = 'GET /openapi.json HTTP/1.1\r\nHost: porthole\r\n\r\n'

test('only connections of the address that holds the most are closed', async (t) => {
  const built = await start(t, [], { maxConnections: 100 })
  await built.app.listen({ host: '::', port: 0 })
  const { port } = built.app.server.address() as net.AddressInfo
  const own = await openMany(t, 20, { port })
  const ownIPv6 = await openMany(t, 20, { port, host: '::1' })
  const greedy = await openMany(t, 500, { port, from: '127.0.0.2' })
  assert.equal(await ask(t, '/livez', { port }), ok)
  await until('the rest are closed', async () => openAmong(greedy) <= 60)
  assert.deepEqual([openAmong(own), openAmong(ownIPv6)], [20, 20])
  const greedyIPv6 = await openMany(t, 500, { port, host: '::1' })
  await until('the rest are closed', async () => openAmong(greedy) + openAmong(greedyIPv6) <= 80)
  assert.deepEqual([openAmong(own), openAmong(ownIPv6)], [20, 0])
  // Both end with equally many.
  assert.ok(Math.abs(openAmong(greedy) - openAmong(greedyIPv6)) <= 2)
})

test('while the address that holds the most has no idle connection, the next address loses one', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const built = await start(t, [sampleService('db', ['db:1'])], { clock, prober, maxConnections: 10 })
  const { port } = { port: portOf(await built.listen()) }
  const busy = await openMany(t, 6, { port, from: '127.0.0.2' })
  for (const socket of busy) void ask(t, '/health/db?maxAge=0s', { port }, socket)
  await until('their checks are under way', async () => prober.held() > 0)
  const idle = await openMany(t, 4, { port })
  assert.equal(await ask(t, '/livez', { port, from: '127.0.0.3' }), ok)
  await until('one of them is closed', async () => openAmong(idle) === 3)
  assert.deepEqual([openAmong(busy), isOpen(idle[0] as Socket)], [6, false])
})

test('pipelined requests keep a connection from being idle until the last is answered', async (t) => {
  const clock = stoppedClock()
  const prober = holdChecks(clock)
  const built = await start(t, [sampleService('db', ['db:1'])], { clock, prober, maxConnections: 2 })
  const where = { port: portOf(await built.listen()) }
  const socket = await open(t, where)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: porthole\r\n\r\n`
  socket.write(request('/livez') + request('/health/db?maxAge=0s'))
  await until('the second is under way', async () => prober.held() > 0 && text.includes(ok))
  for (let i = 0; i < 5; i++) await open(t, where)
  assert.ok(isOpen(socket))
  prober.answer()
  await until('the second is answered', async () => text.split(ok).length === 3)
})

test('connections that break off at any point are no longer counted', async (t) => {
  const built = await start(t, [], { maxConnections: 10 })
  const where = { port: portOf(await built.listen()) }
  for (let i = 0; i < 30; i++) {
    const socket = await open(t, where)
    socket.write(i % 3 === 0 ? page : i % 3 === 1 ? 'GET /openapi' : 'no HTTP\r\n\r\n')
    await new Promise((sent) => setImmediate(sent))
    socket.resetAndDestroy()
  }
  await until('none is left', async () => (await rendered(built.metrics)).includes('\nporthole_http_connections 0\n'))
})

test('event streams use at most three quarters of the connections', async (t) => {
  assert.deepEqual([1, 4, 100, 225, 10_000].map(mostStreams), [1, 3, 75, 168, 1000])
  const built = await start(t, [], { maxConnections: 20 })
  const where = { port: portOf(await built.listen()) }
  const heads: (string | null)[] = []
  for (let i = 0; i < 18; i++) heads.push(await ask(t, '/v1/events', where, await open(t, where)))
  assert.deepEqual(
    [heads.filter((head) => head === ok).length, heads.slice(15)],
    [15, Array(3).fill('HTTP/1.1 503 Service Unavailable')],
  )
  for (let i = 0; i < 20; i++) assert.equal(await ask(t, '/livez', where), ok)
})

test('a keep-alive agent with fewer connections than the maximum loses none', async (t) => {
  const { target } = await listen(t)
  const built = await start(t, [sampleService('db', [target])], { maxConnections: 10 })
  const port = portOf(await built.listen())
  await built.sweep()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 9 })
  t.after(() => agent.destroy())
  const get = () =>
    new Promise<number | undefined>((answered, failed) => {
      const request = http.get({ port, host: '127.0.0.1', path: '/health/db', agent }, (response) => {
        response.resume().once('end', () => answered(response.statusCode))
      })
      request.once('error', failed)
    })
  for (let round = 0; round < 20; round++) {
    const statuses = await Promise.all(Array.from({ length: 30 }, get))
    assert.deepEqual(new Set(statuses), new Set([200]))
  }
  assert.deepEqual(await closed(built), { unused: 0, idle: 0, full: 0 })
})
