// Measures the CPU time of one scheduled check, for the whole process: Porthole and HAProxy (one thread), each checking the same 2,000 ports
// once a second. Both run at the same time, so that other work on this machine slows both alike. Together they need about 20 % of one core, and
// neither waits for the other. Runs in a network namespace of its own. There the kernel's count of dials, without those that Porthole counts
// itself, is HAProxy's.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { latenessMs, sum } from './page.ts'
import {
  cpuMicrosOf,
  dialsSoFar,
  has,
  median,
  runInNamespace,
  start,
  startListener,
  startPorthole,
  verdict,
} from './processes.ts'

const targets = 2000
const warmUpSeconds = 15
const windows = 3
const secondsPerWindow = 15

if (process.argv[2] === 'inside') await compare()
else if (has('haproxy', 'haproxy', 'the comparison with HAProxy')) {
  runInNamespace(fileURLToPath(import.meta.url), ['inside'], (warmUpSeconds + windows * secondsPerWindow + 60) * 1000)
}

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const { ports, stop } = await startListener(targets)
  const socket = join(folder, 'haproxy.sock')
  const haproxy = await start(
    'haproxy',
    ['-V', '-db', '-f', writeHaproxyConfig(folder, socket, ports)],
    /Using (\w+)\(\) as the polling/,
  )
  const porthole = await startPorthole(['--config', writePortholeConfig(folder, ports)], {
    PORTHOLE_PROBER: process.env.PORTHOLE_PROBER ?? 'kernel',
  })
  await sleep(warmUpSeconds * 1000)

  // Read the page only before and after the measurement, because laying out the page of all targets takes as long as some thousand checks.
  const readPage = async () => {
    const page = await (await fetch(`${porthole.found}/metrics`)).text()
    return { page, at: performance.now(), dials: dialsSoFar() }
  }
  const readCpu = () => ({ at: performance.now(), ours: cpuMicrosOf(porthole.pid), theirs: cpuMicrosOf(haproxy.pid) })
  const first = await readPage()
  const prober = /prober="(\w+)"/.exec(first.page)?.[1]
  console.log(
    `${targets} targets at 1 s, ${windows} windows of ${secondsPerWindow} s; Porthole with its ${prober} prober`,
  )
  const readings = [readCpu()]
  for (let window = 1; window <= windows; window++) {
    await sleep(secondsPerWindow * 1000)
    readings.push(readCpu())
  }
  const last = await readPage()
  const seconds = (last.at - first.at) / 1000
  const ourRate = (sum(last.page, 'porthole_checks_total') - sum(first.page, 'porthole_checks_total')) / seconds
  const theirRate = (last.dials - first.dials) / seconds - ourRate
  const ratios: number[] = []
  for (const [window, before] of readings.slice(0, -1).entries()) {
    const after = readings[window + 1] ?? before
    const passed = (after.at - before.at) / 1000
    const ours = (after.ours - before.ours) / passed / ourRate
    const theirs = (after.theirs - before.theirs) / passed / theirRate
    ratios.push(ours / theirs)
    console.log(
      `  porthole ${ours.toFixed(1)} µs CPU a check at ${ourRate.toFixed(0)}/s   haproxy ${theirs.toFixed(1)} µs at ${theirRate.toFixed(0)}/s   ratio ${(ours / theirs).toFixed(2)}`,
    )
  }
  console.log(`median ratio ${verdict(median(ratios), 1, 'at most')}`)
  const late = (q: number) => latenessMs(first.page, last.page, q)
  console.log(`lateness p50 ${late(0.5).toFixed(0)} ms   p99 ${verdict(late(0.99), 60, 'at most')} ms`)
  const good =
    sum(last.page, 'porthole_checks_total', 'reason="connected"') -
    sum(first.page, 'porthole_checks_total', 'reason="connected"')
  const all = sum(last.page, 'porthole_checks_total') - sum(first.page, 'porthole_checks_total')
  console.log(
    `false verdicts: porthole ${verdict(all - good, 0, 'at most')}; haproxy's servers up: ${await serversUp(socket)} of ${targets}`,
  )
  await Promise.all([porthole.stop(), haproxy.stop(), stop()])
  rmSync(folder, { recursive: true })
}

function writePortholeConfig(folder: string, ports: readonly number[]): string {
  const file = join(folder, 'porthole.json')
  const services = Object.fromEntries(ports.map((port) => [`service-${port}`, { targets: [`127.0.0.1:${port}`] }]))
  writeFileSync(file, JSON.stringify({ defaults: { interval: '1s', timeout: '2s' }, services }))
  return file
}

function writeHaproxyConfig(folder: string, socket: string, ports: readonly number[]): string {
  const file = join(folder, 'haproxy.cfg')
  const lines = [
    'global',
    '  nbthread 1',
    `  stats socket ${socket} mode 600`,
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 10s',
    '  timeout server 10s',
    'backend all',
    '  default-server check inter 1s rise 2 fall 3',
    ...ports.map((port) => `  server s${port} 127.0.0.1:${port}`),
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  const { status, stderr } = spawnSync('haproxy', ['-c', '-f', file], { encoding: 'utf8', timeout: 10_000 })
  if (status !== 0) throw new Error(`haproxy does not take its configuration: ${stderr}`)
  return file
}

/** Returns how many servers HAProxy reports as UP (its CSV: field 2 is the server, field 18 the status). */
async function serversUp(socket: string): Promise<number> {
  const answer = await text(connect(socket).end('show stat\n'))
  return answer.split('\n').filter((line) => line.split(',')[17] === 'UP' && line.split(',')[1] !== 'BACKEND').length
}
