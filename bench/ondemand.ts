// Measures on-demand checks a second: GET /health/{service} of services that are checked only on demand, against blackbox_exporter's /probe. The
// listener and the client (wrk, 1 thread, 32 connections) are the same, and the two programs take turns. Every request names the next of 512
// services, so that no request shares the check of another. In a network namespace of its own, the kernel's count of dials shows that both
// really dial once for each request.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  cpuMicrosOf,
  dialsSoFar,
  has,
  median,
  type Running,
  runInNamespace,
  start,
  startListener,
  startPorthole,
  verdict,
} from './processes.ts'

const rounds = 9
const secondsPerRound = 3
const connections = 32
const services = 512
const blackboxPort = 9115

if (process.argv[2] === 'inside') await compare()
else {
  const tools = [
    has('wrk', 'wrk', 'the comparison with blackbox_exporter'),
    has('prometheus-blackbox-exporter', 'prometheus-blackbox-exporter', 'the comparison with it'),
  ]
  if (tools.every(Boolean))
    runInNamespace(fileURLToPath(import.meta.url), ['inside'], (rounds * secondsPerRound * 2 + 60) * 1000)
}

type Asked = { readonly server: Running; readonly url: string; readonly script: string }

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const { ports, stop } = await startListener(services)
  const porthole = await startPorthole(['--config', writePortholeConfig(folder, ports)], {
    PORTHOLE_PROBER: process.env.PORTHOLE_PROBER ?? 'kernel',
  })
  const blackbox = await startBlackbox(folder)
  const ours: Asked = {
    server: porthole,
    url: porthole.found,
    script: writeScript(folder, 'ours.lua', ports, (port) => `/health/service-${port}`),
  }
  const theirs: Asked = {
    server: blackbox,
    url: `http://127.0.0.1:${blackboxPort}`,
    script: writeScript(folder, 'theirs.lua', ports, (port) => `/probe?module=tcp_connect&target=127.0.0.1:${port}`),
  }
  await expectGood(`${ours.url}/health/service-${ports[0]}`, '"connected"')
  await expectGood(`${theirs.url}/probe?module=tcp_connect&target=127.0.0.1:${ports[0]}`, 'probe_success 1')
  const prober = /prober="(\w+)"/.exec(await (await fetch(`${porthole.found}/metrics`)).text())?.[1]
  console.log(
    `wrk with 1 thread and ${connections} connections, ${rounds} rounds of ${secondsPerRound} s each, turn about; Porthole with its ${prober} prober`,
  )
  for (const asked of [ours, theirs]) load(asked, 2)
  const ratios: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const [a, b] = round % 2 === 0 ? [load(ours), load(theirs)] : [load(theirs), load(ours)].reverse()
    if (a === undefined || b === undefined) continue
    ratios.push(a.perSecond / b.perSecond)
    console.log(`  porthole ${describe(a)}   blackbox ${describe(b)}   ratio ${(a.perSecond / b.perSecond).toFixed(2)}`)
  }
  console.log(`median ratio ${verdict(median(ratios), 3, 'at least')}`)
  await Promise.all([porthole.stop(), blackbox.stop(), stop()])
  rmSync(folder, { recursive: true })
}

type Load = {
  readonly perSecond: number
  readonly cpuMicros: number
  readonly dialsEach: number
  readonly errors: number
}

function load({ server, url, script }: Asked, seconds = secondsPerRound): Load {
  const before = { cpu: cpuMicrosOf(server.pid), dials: dialsSoFar() }
  const { stdout } = spawnSync('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url], {
    encoding: 'utf8',
    timeout: (seconds + 20) * 1000,
  })
  const [, requests = Number.NaN] = (/(\d+) requests in/.exec(stdout) ?? []).map(Number)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    cpuMicros: (cpuMicrosOf(server.pid) - before.cpu) / requests,
    // wrk dials as well: once to test the server, and then its connections.
    dialsEach: (dialsSoFar() - before.dials - connections - 1) / requests,
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
  }
}

function describe({ perSecond, cpuMicros, dialsEach, errors }: Load): string {
  return `${perSecond.toFixed(0)}/s (${cpuMicros.toFixed(0)} µs CPU, ${dialsEach.toFixed(2)} dials each${errors > 0 ? `, ${errors} ERRORS` : ''})`
}

async function expectGood(url: string, wanted: string): Promise<void> {
  const body = await (await fetch(url)).text()
  if (!body.includes(wanted)) throw new Error(`${url} should say ${wanted}, and says ${body}`)
}

/** A wrk script that requests one path after the other. */
function writeScript(folder: string, name: string, ports: readonly number[], pathOf: (port: number) => string): string {
  const file = join(folder, name)
  const paths = ports.map((port) => JSON.stringify(pathOf(port))).join(',')
  writeFileSync(
    file,
    `local paths = {${paths}}
local requests = {}
local at = 0
function init(args)
  for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
`,
  )
  return file
}

function writePortholeConfig(folder: string, ports: readonly number[]): string {
  const file = join(folder, 'porthole.json')
  const all = Object.fromEntries(ports.map((port) => [`service-${port}`, { targets: [`127.0.0.1:${port}`] }]))
  const defaults = { interval: 'off', timeout: '2s', maxAge: '0s', minAge: '0s' }
  writeFileSync(file, JSON.stringify({ defaults, services: all }))
  return file
}

function startBlackbox(folder: string): Promise<Running> {
  const file = join(folder, 'blackbox.yml')
  writeFileSync(file, 'modules:\n  tcp_connect:\n    prober: tcp\n    timeout: 2s\n')
  const args = [`--config.file=${file}`, `--web.listen-address=127.0.0.1:${blackboxPort}`]
  return start('prometheus-blackbox-exporter', args, /(Listening on|TLS is disabled)/)
}
