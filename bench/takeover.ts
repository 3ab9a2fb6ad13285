// Measures how soon other replicas check the services of a replica that is killed or stopped, and how long services go unchecked when Redis is
// killed. Three replicas share 100 services at an interval of 1 s. The listeners record each check.
// node bench/takeover.ts
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { has, type Running, start, startPorthole, verdict } from './processes.ts'

const services = 100
const intervalMs = 1000
/** How long each situation is watched, in milliseconds. */
const watchMs = 15_000
/** The bar for a killed replica, as the documentation states it, in milliseconds. */
const killedBarMs = 8000
/**
 * The bar for a stopped replica, which hands its services over, and for a killed Redis, after which each replica checks alone. In neither case
 * may two checks in a row be left out.
 */
const otherBarMs = 3 * intervalMs

type Checked = { readonly server: Server; readonly port: number; readonly at: number[] }

if (has('redis-server', 'redis-server', 'the takeover')) {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  try {
    await measure(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measure(folder: string): Promise<void> {
  const targets = await Promise.all(Array.from({ length: services }, listen))
  const [redisPort] = await freePorts(1)
  const redisArgs = ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  const startRedis = () => start('redis-server', redisArgs, /(Ready to accept connections)/)
  let redis = await startRedis()
  const file = join(folder, 'porthole.json')
  writeFileSync(
    file,
    JSON.stringify({
      shutdownDelay: '100ms',
      replicas: { redis: `redis://127.0.0.1:${redisPort}` },
      defaults: { interval: `${intervalMs}ms`, timeout: '900ms', close: 'rst' },
      services: Object.fromEntries(targets.map(({ port }) => [`s${port}`, { targets: [`127.0.0.1:${port}`] }])),
    }),
  )
  const join3 = () => startPorthole(['--config', file])
  const replicas: Running[] = await Promise.all([join3(), join3(), join3()])
  await sleep(watchMs)

  console.log(
    `${services} services, interval ${intervalMs} ms, 3 replicas: the longest that any service went unchecked`,
  )
  const quiet = await longestGap(targets, () => undefined)
  console.log(`nothing happens: ${quiet} ms; the other figures are multiples of it`)
  const tell = (what: string, gapMs: number, barMs: number) =>
    console.log(`${what}: ${gapMs} ms, ${verdict(gapMs / quiet, Math.round((100 * barMs) / quiet) / 100, 'at most')}`)
  const killed = await longestGap(targets, () => process.kill(replicas[0]?.pid ?? 0, 'SIGKILL'))
  tell('a replica is killed', killed, killedBarMs)
  const stopped = await longestGap(targets, () => void replicas[1]?.stop())
  tell('a replica is stopped', stopped, otherBarMs)
  replicas[0] = await join3()
  await sleep(watchMs)
  const away = await longestGap(targets, () => process.kill(redis.pid, 'SIGKILL'))
  tell('Redis is killed', away, otherBarMs)
  redis = await startRedis()
  const back = await longestGap(targets, () => undefined)
  tell('Redis is back, empty', back, otherBarMs)

  await Promise.all([...replicas, redis].map(({ stop }) => stop()))
  for (const { server } of targets) server.close()
}

/** Returns the longest time between two checks of the same target while something happens, in whole milliseconds. */
async function longestGap(targets: readonly Checked[], happen: () => void): Promise<number> {
  const from = performance.now()
  for (const target of targets) target.at.splice(0, target.at.length - 1)
  happen()
  await sleep(watchMs)
  const to = performance.now()
  const gaps = targets.flatMap(({ at }) => {
    const all = [at[0] ?? from, ...at.slice(1), to]
    return all.slice(1).map((instant, index) => instant - (all[index] ?? instant))
  })
  return Math.round(Math.max(...gaps))
}

async function listen(): Promise<Checked> {
  const at: number[] = []
  const server = createServer((socket) => {
    at.push(performance.now())
    socket.on('error', () => undefined).resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: portOf(server), at }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen))
  for (const { server } of servers) server.close()
  return servers.map(({ port }) => port)
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
