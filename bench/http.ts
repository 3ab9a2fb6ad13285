// GET /health/{service} from memory: Porthole against a bare node:http server that sends the same bytes, both in this run.
// Then the latency of the same route at a fixed rate while 1,000 targets whose packets are dropped are checked every second.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const rounds = 15
const secondsPerRound = 2
const entry = fileURLToPath(new URL('../src/porthole.js', import.meta.url))
const self = fileURLToPath(import.meta.url)
const path = '/health/postgres'

switch (process.argv[2]) {
  case undefined:
    await throughput()
    latencyInNamespace()
    break
  case 'bare':
    serveBare(process.argv[3] ?? '')
    break
  case 'latency':
    await latency()
    break
}

async function throughput(): Promise<void> {
  if (spawnSync('wrk', ['-v']).error !== undefined) {
    console.log('skipped: wrk is not installed (Debian package wrk)')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const porthole = await start([entry, 'postgres=127.0.0.1:1'], /listening at (\S+)"/)
  const sample = await fetch(`${porthole.url}${path}`)
  writeFileSync(
    join(folder, 'answer.json'),
    JSON.stringify({ status: sample.status, headers: [...sample.headers], body: await sample.text() }),
  )
  const bare = await start([self, 'bare', join(folder, 'answer.json')], /listening at (\S+)/)

  console.log(
    `GET ${path}, wrk with 1 thread and 32 connections, ${rounds} rounds of ${secondsPerRound} s each, turn about`,
  )
  for (const server of [porthole, bare]) load(server, 1)
  const ratios: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const [ours, theirs] = round % 2 === 0 ? [load(porthole), load(bare)] : [load(bare), load(porthole)].reverse()
    if (ours === undefined || theirs === undefined) continue
    ratios.push(ours.perSecond / theirs.perSecond)
    console.log(
      `  porthole ${ours.perSecond.toFixed(0)}/s (${ours.cpuMicros.toFixed(1)} µs CPU each)   bare ${theirs.perSecond.toFixed(0)}/s (${theirs.cpuMicros.toFixed(1)} µs)   ratio ${(ours.perSecond / theirs.perSecond).toFixed(3)}`,
    )
  }
  ratios.sort((a, b) => a - b)
  console.log(`median ratio ${ratios[Math.floor(ratios.length / 2)]?.toFixed(3)} (bar: at least 0.85)`)
  porthole.stop()
  bare.stop()
  rmSync(folder, { recursive: true })
}

type Running = { url: string; pid: number; stop(): void }

/** Starts Node.js with `args`; `pattern` finds the address in what it prints. It ends with this process at the latest. */
async function start(args: string[], pattern: RegExp): Promise<Running> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PORTHOLE_HOST: '127.0.0.1', PORTHOLE_PORT: '0' },
  })
  process.on('exit', () => child.kill('SIGKILL'))
  let printed = ''
  for (;;) {
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    printed += chunk
    const url = pattern.exec(printed)?.[1]
    if (url === undefined) continue
    child.stdout.resume()
    return { url, pid: child.pid ?? 0, stop: () => child.kill('SIGTERM') }
  }
}

function load(server: Running, seconds = secondsPerRound): { perSecond: number; cpuMicros: number } {
  const before = cpuMicrosOf(server.pid)
  const { stdout } = spawnSync('wrk', ['-t1', '-c32', `-d${seconds}s`, `${server.url}${path}`], { encoding: 'utf8' })
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
  return { perSecond, cpuMicros: (cpuMicrosOf(server.pid) - before) / requests }
}

/** User and system time of a process (proc(5): fields 14 and 15 of stat, in ticks of 10 ms). */
function cpuMicrosOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function serveBare(answerFile: string): void {
  const answer = JSON.parse(readFileSync(answerFile, 'utf8')) as {
    status: number
    headers: [string, string][]
    body: string
  }
  const own = ['date', 'connection', 'keep-alive']
  const headers = Object.fromEntries(answer.headers.filter(([name]) => !own.includes(name)))
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, headers)
    response.end(answer.body)
  })
  server.keepAliveTimeout = 72_000
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address !== null && typeof address === 'object') console.log(`listening at http://127.0.0.1:${address.port}`)
  })
}

/** Runs `latency` in a network namespace of its own, where an address can be given and its packets dropped. */
function latencyInNamespace(): void {
  const script = `ip link set lo up && ip addr add 10.9.0.1/24 dev lo &&
    nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }' && nft add rule inet t in ip daddr 10.9.0.1 tcp dport 1-1000 drop &&
    exec "$0" "$1" latency`
  const run = spawnSync('unshare', ['-rn', 'sh', '-c', script, process.execPath, self], {
    stdio: 'inherit',
    timeout: 60_000,
  })
  if (run.status !== 0)
    console.log('skipped: no network namespace can be made here (unshare -rn, ip and nft are needed)')
}

async function latency(): Promise<void> {
  const perSecond = 500
  const seconds = 15
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const config = join(folder, 'porthole.json')
  const dropped = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [
      `dropped-${i + 1}`,
      { targets: [`10.9.0.1:${i + 1}`], fastInterval: '1s' },
    ]),
  )
  const services = { postgres: { targets: ['10.9.0.1:2000'] }, ...dropped }
  writeFileSync(config, JSON.stringify({ defaults: { interval: '1s', timeout: '900ms' }, services }))
  const porthole = await start([entry, '--config', config], /listening at (\S+)"/)
  await new Promise((resolve) => setTimeout(resolve, 4000))
  const agent = new Agent({ keepAlive: true })
  const took: number[] = []
  const begin = performance.now()
  await Promise.all(
    Array.from({ length: perSecond * seconds }, async (_, i) => {
      // From the planned instant on, so that a stall counts for every request it delays.
      const planned = begin + (i * 1000) / perSecond
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, planned - performance.now())))
      const [response] = (await once(get(`${porthole.url}${path}`, { agent }), 'response')) as [
        import('node:http').IncomingMessage,
      ]
      response.resume()
      await once(response, 'end')
      took.push(performance.now() - planned)
    }),
  )
  took.sort((a, b) => a - b)
  const quantile = (q: number) => `${took[Math.min(took.length - 1, Math.floor(q * took.length))]?.toFixed(1)} ms`
  const metrics = await (await fetch(`${porthole.url}/metrics`)).text()
  const timeouts = /porthole_checks_total\{reason="timeout"\} (\d+)/.exec(metrics)?.[1]
  console.log(
    `\nGET ${path} at ${perSecond}/s for ${seconds} s while 1,000 dropped targets are checked every second (${timeouts} timeouts seen)`,
  )
  console.log(`  p50 ${quantile(0.5)}   p99 ${quantile(0.99)}   max ${quantile(1)}`)
  porthole.stop()
  agent.destroy()
  rmSync(folder, { recursive: true })
}
