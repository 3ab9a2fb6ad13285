// Measures GET /health/{service} from memory: Porthole against a bare node:http server that sends the same bytes, both in one run. Then it
// measures the latency of the same route at a fixed rate while 1,000 targets whose packets are dropped are checked every second.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  cpuMicrosOf,
  dropWhatGoesTo,
  has,
  median,
  type Running,
  runInNamespace,
  start,
  startPorthole,
  verdict,
} from './processes.ts'

const rounds = 15
const secondsPerRound = 2
const self = fileURLToPath(import.meta.url)
const path = '/health/postgres'
const dropped = 81

switch (process.argv[2]) {
  case undefined:
    await throughput()
    // The second part runs only if an address can be dialled whose packets are dropped.
    if (has('nft', 'nftables', 'the latency beside dropped targets')) runInNamespace(self, ['latency'], 60_000)
    break
  case 'bare':
    serveBare(process.argv[3] ?? '')
    break
  case 'latency':
    await latency()
    break
}

async function throughput(): Promise<void> {
  if (!has('wrk', 'wrk', 'the throughput from memory')) return
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const porthole = await startPorthole(['postgres=127.0.0.1:1'])
  const sample = await fetch(`${porthole.found}${path}`)
  writeFileSync(
    join(folder, 'answer.json'),
    JSON.stringify({ status: sample.status, headers: [...sample.headers], body: await sample.text() }),
  )
  const bare = await start(process.execPath, [self, 'bare', join(folder, 'answer.json')], /listening at (\S+)\n/)

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
  console.log(`median ratio ${verdict(median(ratios), 0.85, 'at least')}`)
  await Promise.all([porthole.stop(), bare.stop()])
  rmSync(folder, { recursive: true })
}

function load(server: Running, seconds = secondsPerRound): { perSecond: number; cpuMicros: number } {
  const before = cpuMicrosOf(server.pid)
  const { stdout } = spawnSync('wrk', ['-t1', '-c32', `-d${seconds}s`, `${server.found}${path}`], { encoding: 'utf8' })
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
  return { perSecond, cpuMicros: (cpuMicrosOf(server.pid) - before) / requests }
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

async function latency(): Promise<void> {
  dropWhatGoesTo(dropped)
  const perSecond = 500
  const seconds = 15
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const config = join(folder, 'porthole.json')
  const silent = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [
      `dropped-${i + 1}`,
      { targets: [`127.9.${i >> 8}.${i & 255}:${dropped}`], fastInterval: '1s' },
    ]),
  )
  const services = { postgres: { targets: ['127.9.0.1:2000'] }, ...silent }
  writeFileSync(config, JSON.stringify({ defaults: { interval: '1s', timeout: '900ms' }, services }))
  const porthole = await startPorthole(['--config', config])
  await new Promise((resolve) => setTimeout(resolve, 4000))
  const agent = new Agent({ keepAlive: true })
  const took: number[] = []
  const begin = performance.now()
  await Promise.all(
    Array.from({ length: perSecond * seconds }, async (_, i) => {
      // Measure from the planned instant, so that a stall counts for every request that it delays. A timer may fire a part of a millisecond
      // early.
      const planned = begin + (i * 1000) / perSecond
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, planned - performance.now())))
      const from = Math.min(planned, performance.now())
      const [response] = (await once(get(`${porthole.found}${path}`, { agent }), 'response')) as [
        import('node:http').IncomingMessage,
      ]
      response.resume()
      await once(response, 'end')
      took.push(performance.now() - from)
    }),
  )
  took.sort((a, b) => a - b)
  const quantile = (q: number) => `${took[Math.min(took.length - 1, Math.floor(q * took.length))]?.toFixed(1)} ms`
  const metrics = await (await fetch(`${porthole.found}/metrics`)).text()
  const timeouts = /porthole_checks_total\{reason="timeout"\} (\d+)/.exec(metrics)?.[1]
  console.log(
    `\nGET ${path} at ${perSecond}/s for ${seconds} s while 1,000 dropped targets are checked every second (${timeouts} timeouts seen)`,
  )
  console.log(`  p50 ${quantile(0.5)}   p99 ${quantile(0.99)}   max ${quantile(1)}`)
  agent.destroy()
  await porthole.stop()
  rmSync(folder, { recursive: true })
}
