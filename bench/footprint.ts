// Measures how small the built Porthole is beside bare Node.js: `porthole check`, a start of the example until GET /livez answers, the resident memory
// of the example after 10 s, its CPU while it is idle, and the packages of an installation. All are medians of seven rounds, in which the processes
// take turns. CPU time is compared too, because other work on the machine lengthens wall time.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuMicrosOf, has, median, memoryOf, verdict } from './processes.ts'

const root = join(import.meta.dirname, '..')
const entry = join(root, 'dist/porthole.js')
const rounds = 7
/** How long the example runs until its memory is read, and how long it is idle, in milliseconds. */
const settleMs = 10_000
const idleMs = 60_000
const megabyte = 1024 * 1024

/** The cost of a process: wall time until its end or its first answer, CPU time until then (both in milliseconds), and peak memory in bytes. */
type Cost = { readonly wallMs: number; readonly cpuMs: number; readonly peak: number }

if (!has('/usr/bin/time', 'time', 'everything')) process.exit(0)
/** The options of Node.js that the first line of the entry names. */
const options =
  readFileSync(entry, 'utf8')
    .split('\n', 1)[0]
    ?.match(/ --\S+/g)
    ?.map((option) => option.trim()) ?? []
const folder = mkdtempSync(join(tmpdir(), 'footprint-'))
let example: ChildProcess | null = null
process.on('exit', () => {
  example?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
const cold = { NODE_DISABLE_COMPILE_CACHE: '1' }

const check = [...options, entry, 'check', '127.0.0.1:9']
const bare: Cost[] = []
const checks: Cost[] = []
const coldChecks: Cost[] = []
const starts: Cost[] = []
const coldStarts: Cost[] = []
const resident: number[] = []
let idle = Number.NaN
// Fill the compile cache.
run(check)
await serve({}, async () => undefined)
for (let round = 0; round < rounds; round++) {
  bare.push(run(['-e', '0']))
  checks.push(run(check))
  coldChecks.push(run(check, cold))
  coldStarts.push(await serve(cold, async () => undefined))
  starts.push(
    await serve({}, async (pid) => {
      await sleep(settleMs)
      resident.push(memoryOf(pid).now)
      if (round === rounds - 1) idle = await measureIdle(pid)
    }),
  )
}

const wall = (costs: readonly Cost[]) => median(costs.map(({ wallMs }) => wallMs))
const cpu = (costs: readonly Cost[]) => median(costs.map(({ cpuMs }) => cpuMs))
const peak = (costs: readonly Cost[]) => median(costs.map(({ peak }) => peak)) / megabyte
console.log(`${'medians of 7'.padEnd(34)}    wall      CPU      peak`)
for (const [what, costs] of [
  ['node -e 0', bare],
  ['check', checks],
  ['check, without a compile cache', coldChecks],
  ['start until /livez', starts],
  ['start, without a compile cache', coldStarts],
] as const) {
  const figures = [`${wall(costs).toFixed(0)} ms`, `${cpu(costs).toFixed(0)} ms`, `${peak(costs).toFixed(1)} MB`]
  console.log(`${what.padEnd(34)}${figures.map((figure) => figure.padStart(9)).join('')}`)
}
const ratio = (measure: (costs: readonly Cost[]) => number, costs: readonly Cost[]) => measure(costs) / measure(bare)
console.log(`\ncheck against node -e 0, wall time: ${verdict(ratio(wall, checks), 4, 'at most')}`)
console.log(`  CPU time: ${ratio(cpu, checks).toFixed(2)}`)
console.log(`check, peak memory in MB: ${verdict(peak(checks), 70, 'at most')}`)
console.log(`start against node -e 0, wall time: ${verdict(ratio(wall, starts), 10, 'at most')}`)
console.log(`  CPU time: ${ratio(cpu, starts).toFixed(2)}`)
console.log(`resident memory of the example after 10 s, in MB: ${verdict(median(resident) / megabyte, 95, 'at most')}`)
console.log(`CPU of the example while it is idle, in %: ${verdict(idle, 0.3, 'at most')}`)
console.log(`packages of an installation, in MB: ${verdict(packagesSize() / megabyte, 40, 'at most')}`)

/** Runs Node.js to its end. */
function run(args: readonly string[], env: Record<string, string> = {}): Cost {
  // GNU time starts the process, because Linux adds the memory of the parent to the peak of a child.
  const report = join(folder, 'time')
  const time = ['-o', report, '-f', '%U %S %M', process.execPath]
  const began = performance.now()
  spawnSync('/usr/bin/time', [...time, ...args], { stdio: 'ignore', env: { ...process.env, ...env } })
  const wallMs = performance.now() - began
  // A line before that says that the exit status is not 0.
  const [user, system, kilobytes] = readFileSync(report, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
  if (user === undefined || system === undefined || kilobytes === undefined) throw new Error('time printed nothing')
  return { wallMs, cpuMs: (user + system) * 1000, peak: kilobytes * 1024 }
}

/** Starts the example on a free port, waits until it answers, calls `use`, and stops it. */
async function serve(env: Record<string, string>, use: (pid: number) => Promise<void>): Promise<Cost> {
  const port = await freePort()
  const file = join(folder, 'porthole.yaml')
  // Two services of the example are Porthole itself, on its default port.
  writeFileSync(file, readFileSync(join(root, 'porthole.yaml'), 'utf8').replaceAll('8080', String(port)))
  const listen = { PORTHOLE_HOST: '127.0.0.1', PORTHOLE_PORT: String(port) }
  const began = performance.now()
  const child = spawn(process.execPath, [...options, entry, '--config', file], {
    stdio: 'ignore',
    env: { ...process.env, ...listen, ...env },
  })
  const exited = once(child, 'exit')
  const { pid = 0 } = child
  example = child
  while (!(await isLive(port))) {
    if (child.exitCode !== null) throw new Error(`the example ended with exit status ${child.exitCode}`)
    await sleep(2)
  }
  const cost = { wallMs: performance.now() - began, cpuMs: cpuMicrosOf(pid) / 1000, peak: memoryOf(pid).peak }
  await use(pid)
  child.kill('SIGTERM')
  await exited
  return cost
}

/** Returns whether Porthole answers 200 on /livez. Uses a bare socket, because an HTTP client would take CPU from the start that it measures. */
function isLive(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  socket.once('error', () => resolve(false))
  socket.once('data', (bytes) => {
    resolve(bytes.toString('latin1').startsWith('HTTP/1.1 200'))
    socket.destroy()
  })
  return promise
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}

/** Returns the share of one core that a process uses while no client asks, in percent. */
async function measureIdle(pid: number): Promise<number> {
  const [cpuBefore, began] = [cpuMicrosOf(pid), performance.now()]
  await sleep(idleMs)
  return ((cpuMicrosOf(pid) - cpuBefore) / 1000 / (performance.now() - began)) * 100
}

/** Returns the size on disk of the packages that an installation without development dependencies has, in bytes. */
function packagesSize(): number {
  const listed = spawnSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root, encoding: 'utf8' })
  const folders = listed.stdout.split('\n').filter((path) => path.includes('node_modules'))
  if (folders.length === 0) throw new Error(`npm lists no packages: ${listed.stderr}`)
  const { stdout } = spawnSync('du', ['-sck', ...folders], { encoding: 'utf8' })
  return Number(/^(\d+)\s+total$/m.exec(stdout)?.[1]) * 1024
}
