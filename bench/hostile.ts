// Measures the harm that clients without a token can do to other clients. The first measurement is the longest time for which a request blocks
// the event loop, over every route and the largest and oddest queries that Porthole accepts. The second measurement is the memory for clients
// that do not read their answers. `node bench/hostile.ts SIZE…`: these numbers of services, each service in 20 groups.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { askElsewhere } from './asking.ts'
import type { Held } from './hold.ts'
import { cpuMicrosOf, memoryOf, type Running, startListener, startPorthole, verdict } from './processes.ts'
import { nameOf, untilReady } from './services.ts'

/** The number of groups. Each service is in all of them. */
const groups = 20
/** The longest time for which the event loop may be blocked, in milliseconds. */
const mostHeldMs = 20
/** The longest URL, in bytes. Node.js rejects a request with a longer head. */
const longestUrl = 15_000
/** The most different values that a parameter may have. */
const mostValues = 100
/** The longest time that a request waits for its answer, in seconds. */
const patienceSeconds = 120
/** The number of clients that request a long answer and close their connections at once. */
const clientsGone = 120
/** The number of clients that request a long answer and do not read it, and for how long, in seconds. */
const clientsStuck = 100
const stuckSeconds = 10
/** The most memory that they may hold, in MB: the limit for all long answers of a kind, and half as much for the garbage beside them. */
const mostHeldMb = 100
/** The longest time that a well-behaved client may wait for an answer beside them, in milliseconds. */
const mostLateMs = 50
/** The number of requests a second of a well-behaved client. */
const probesPerSecond = 100

type Figure = Held & { readonly what: string; readonly status: number; readonly bytes: number; readonly tookMs: number }
type Trial = {
  readonly url: string
  readonly pid: number
  /** Returns how long the event loop was blocked since the last call. */
  readonly held: () => Promise<Held>
  readonly size: number
}

const sizes = process.argv.slice(2).map(Number)
for (const size of sizes.length > 0 ? sizes : [10_000, 100_000]) await measure(size)

/** Runs each trial below with a Porthole of this many services that is ready. A trial prints its results. */
async function measure(size: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const listener = await startListener(8, '0.0.0.0')
  const socketPath = join(folder, 'hold.sock')
  const porthole = await startMeasured(writeServices(folder, size, listener.ports), socketPath)
  try {
    const { found: url, pid } = porthole
    await untilReady(url)
    await sleep(3000)
    const trial: Trial = { url, pid, size, held: () => readHeld(socketPath) }
    console.log(`${size} services in ${groups} groups each`)
    await tryQueries(trial)
    await tryClientsGone(trial)
    for (const path of ['/v1/sd', '/health?verbose', '/?show=3200', '/metrics', '/v1/services?limit=1000'])
      await tryClientsStuck(trial, path)
  } finally {
    await porthole.stop()
    await listener.stop()
    rmSync(folder, { recursive: true })
  }
}

function startMeasured(file: string, socketPath: string): Promise<Running> {
  const preload = fileURLToPath(new URL('hold.ts', import.meta.url))
  const env = { NODE_OPTIONS: `--import=${preload}`, PORTHOLE_BENCH_HOLD: socketPath, PORTHOLE_LOG_LEVEL: 'info' }
  return startPorthole(['--config', file], env, patienceSeconds * 1000)
}

function writeServices(folder: string, size: number, ports: readonly number[]): string {
  const file = join(folder, 'porthole.json')
  const all = Array.from({ length: groups }, (_, i) => (i === 0 ? 'all' : `group-${i}`))
  const services = Object.fromEntries(
    Array.from({ length: size }, (_, i) => {
      const address = `127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
      return [nameOf(i), { targets: [`${address}:${ports[i % ports.length]}`], groups: all }]
    }),
  )
  const limits = { services: Math.max(10_000, size) }
  writeFileSync(file, JSON.stringify({ defaults: { interval: '60s', timeout: '2s' }, limits, services }))
  return file
}

async function readHeld(socketPath: string): Promise<Held> {
  return JSON.parse(await text(createConnection(socketPath))) as Held
}

/** Requests every route with the largest and oddest queries, one at a time. */
async function tryQueries({ url, held, size }: Trial): Promise<void> {
  const figures: Figure[] = []
  for (const path of queriesOf(size)) {
    // The first request warms up.
    await ask(`${url}${path}`)
    await sleep(100)
    await held()
    const begin = performance.now()
    const { status, bytes } = await ask(`${url}${path}`)
    const tookMs = performance.now() - begin
    await sleep(20)
    figures.push({ what: shorten(path), status, bytes, tookMs, ...(await held()) })
  }
  figures.sort((a, b) => b.cpuMs - a.cpuMs)
  for (const { what, status, bytes, tookMs, ms, cpuMs, collectedMs } of figures)
    console.log(
      `  ${what.padEnd(64)} ${status} ${(bytes / 1e6).toFixed(2).padStart(7)} MB in ${tookMs.toFixed(0).padStart(6)} ms, held ${ms.toFixed(1).padStart(6)} ms; ${cpuMs.toFixed(1).padStart(5)} ms of CPU, ${collectedMs.toFixed(1)} of them to collect garbage`,
    )
  const worst = (read: (figure: Figure) => number) => verdict(Math.max(...figures.map(read)), mostHeldMs, 'at most')
  console.log(`  the longest hold of the event loop, in ms: ${worst(({ ms }) => ms)}`)
  console.log(`    in ms of CPU, which other processes do not lengthen: ${worst(({ cpuMs }) => cpuMs)}`)
  console.log(`    without garbage collection: ${worst(({ cpuMs, collectedMs }) => cpuMs - collectedMs)}`)
}

/**
 * Many clients request a long answer and are gone at once. Measures how long Porthole goes on working for them, and how fast it answers another
 * client.
 */
async function tryClientsGone({ url, pid, held }: Trial): Promise<void> {
  await held()
  const before = process.hrtime.bigint()
  const probe = askElsewhere({
    url,
    paths: [`/health/${nameOf(1)}`],
    perSecond: probesPerSecond,
    seconds: patienceSeconds,
  })
  await sleep(300)
  await Promise.all(Array.from({ length: clientsGone }, () => askAndGo(url, '/v1/sd')))
  let idle = 0
  for (let cpu = cpuMicrosOf(pid); idle < 3; ) {
    await sleep(200)
    const next = cpuMicrosOf(pid)
    idle = next - cpu < 40_000 ? idle + 1 : 0
    cpu = next
  }
  const seconds = Number(process.hrtime.bigint() - before) / 1e9 - 0.9
  probe.stop()
  const { p99, longest } = await probe.asked
  const { ms } = await held()
  console.log(
    `  ${clientsGone} clients of /v1/sd that are gone: worked off after ${seconds.toFixed(1)} s, held ${ms.toFixed(1)} ms, a probe beside them p99 ${p99.toFixed(1)} ms, at most ${longest.toFixed(1)} ms`,
  )
}

/**
 * Many clients request a long answer and do not read it. Measures the memory that Porthole holds for them, and how fast it answers another
 * client.
 */
async function tryClientsStuck({ url, pid }: Trial, path: string): Promise<void> {
  // One answer fills caches that the next answers use. Request it before the measurement, because the number of clients does not change that
  // memory.
  await ask(`${url}${path}`)
  await sleep(2000)
  const before = memoryOf(pid).now
  const probe = askElsewhere({
    url,
    paths: [`/health/${nameOf(1)}`],
    perSecond: probesPerSecond,
    seconds: stuckSeconds,
  })
  const clients = Array.from({ length: clientsStuck }, () => askAndTakeNothing(url, path))
  let most = 0
  for (let i = 0; i < stuckSeconds * 5; i++) {
    await sleep(200)
    most = Math.max(most, memoryOf(pid).now - before)
  }
  const held = (memoryOf(pid).now - before) / 1e6
  for (const { socket } of clients) socket.destroy()
  const { p99, longest, wrong } = await probe.asked
  const refused = clients.filter(({ status }) => status() === '503').length
  console.log(
    `  ${clientsStuck} clients that do not read ${path}, of which ${refused} are refused: memory, in MB: ${verdict(held, mostHeldMb, 'at most')}, in between at most ${(most / 1e6).toFixed(0)}`,
  )
  console.log(
    `    a probe beside them, p99 in ms: ${verdict(p99, mostLateMs, 'at most')}, at most ${longest.toFixed(1)}; answered otherwise than 200: ${verdict(wrong, 0, 'at most')}`,
  )
}

/** Returns the paths to request. */
function queriesOf(size: number): string[] {
  const fill = (path: string, parameter: (i: number) => string) => {
    let query = path
    for (let i = 0; ; i++) {
      const next = `${query}${i === 0 ? '?' : '&'}${parameter(i)}`
      if (next.length > longestUrl) return query
      query = next
    }
  }
  const repeated = (path: string, name = 'group', value = 'all') => fill(path, () => `${name}=${value}`)
  const distinct = (path: string, name: string, prefix: string) =>
    `${path}?${Array.from({ length: mostValues }, (_, i) => `${name}=${prefix}-${i + 1}`).join('&')}`
  const every = `group=all${Array.from({ length: groups - 1 }, (_, i) => `&group=group-${i + 1}`).join('')}`
  const name = nameOf(size - 1)
  return [
    '/livez?verbose',
    '/readyz?verbose',
    fill('/readyz', (i) => `exclude=${i}`),
    '/health',
    '/health?verbose',
    '/health?group=all',
    `/health?${every}`,
    `/health?${every}&verbose`,
    `/health?maxAge=1d&verbose`,
    '/health?maxAge=0s&wait=0s',
    repeated('/health'),
    distinct('/health', 'exclude', 'service'),
    `/health/${name}`,
    '/v1/services',
    `/v1/services?${every}&limit=1000`,
    '/v1/services?status=down',
    '/v1/services?q=nothing-is-called-so',
    `/v1/services?q=${'a'.repeat(400)}`,
    repeated('/v1/services'),
    `/v1/services/${name}`,
    `/v1/services/${name}/uptime`,
    `/v1/services/${name}/transitions?limit=1000`,
    '/v1/transitions?limit=1000',
    '/v1/transitions?service=nobody&from=3650d',
    '/v1/sd',
    `/v1/sd?${every}`,
    repeated('/v1/sd'),
    '/metrics',
    `/metrics?${every}`,
    `/metrics?group=nobody`,
    repeated('/metrics'),
    '/',
    '/?show=3200',
    `/?${every}&show=3200`,
    '/?q=nothing-is-called-so',
    repeated('/'),
    distinct('/', 'group', 'group'),
    `/services/${name}`,
    `/badge/${name}.svg?uptime=30d`,
    '/docs',
    '/openapi.json',
  ]
}

function shorten(path: string): string {
  return path.length <= 60 ? path : `${path.slice(0, 40)}… (${path.length} characters)`
}

/** Sends a request and reads the whole answer. */
function ask(url: string): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: patienceSeconds * 1000 }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes })).on('error', reject)
    })
    request.on('error', reject)
  })
}

/** Sends a request and reads only the first bytes of the answer, which have the status. */
function askAndTakeNothing(url: string, path: string): { readonly socket: Socket; status(): string } {
  const { hostname, port } = new URL(url)
  const socket = createConnection(Number(port), hostname)
  let status = ''
  socket.on('error', () => undefined)
  socket.once('data', (bytes: Buffer) => {
    status = bytes.toString('latin1', 9, 12)
    socket.pause()
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: porthole\r\n\r\n`)
  return { socket, status: () => status }
}

/** Sends a request and closes the connection without waiting for the answer. */
function askAndGo(url: string, path: string): Promise<void> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = createConnection(Number(port), hostname, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: porthole\r\n\r\n`, () => socket.destroy())
    })
    socket.on('error', () => undefined).on('close', () => resolve())
  })
}
