// Measures how soon a closed port gives a 503: Porthole against HAProxy (one thread). Both check the same ports with the same interval, fall and
// timeout, and both get HTTP requests every few milliseconds. Every port closes once in each part of the interval, so that neither program gains
// by the phase of its own checks. Runs in a network namespace of its own; otherwise another program could take a port while it is closed.
// node bench/detect.ts [SEED]
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { nextScheduled } from '../src/domain/check/schedule.ts'
import { has, median, runInNamespace, start, startPorthole, verdict } from './processes.ts'

const pairs = 6
const rounds = 5
const intervalMs = 1000
const pollMs = 5
/** How long both have answered 200 at least before a port closes, in milliseconds. */
const settledMs = 500
/** More time than any step should take here, in milliseconds. */
const patienceMs = 15_000
const haproxyPort = 9000
const firstPort = 20_001

if (process.argv[2] === 'inside') await race(Number(process.argv[3]))
else if (has('haproxy', 'haproxy', 'the race with HAProxy')) {
  const seed = process.argv[2] ?? String(Date.now() % 1e6)
  runInNamespace(fileURLToPath(import.meta.url), ['inside', seed], 120_000)
}

/**
 * The time from the closing of a port to the first 503 of each program, in milliseconds. `phase` is the part of the second at which the port
 * closed, from 0 up to 1.
 */
type Detection = { readonly phase: number; readonly ours: number; readonly theirs: number }

async function race(seed: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const ports = Array.from({ length: pairs }, (_, i) => firstPort + i)
  const listeners = await Promise.all(ports.map(listen))
  const args = ['-V', '-db', '-f', writeHaproxyConfig(folder, ports)]
  const haproxy = await start('haproxy', args, /Using (\w+)\(\) as the polling/)
  const porthole = await startPorthole(['--config', writePortholeConfig(folder, ports)], {
    PORTHOLE_PROBER: process.env.PORTHOLE_PROBER ?? 'kernel',
  })
  const prober = /prober="(\w+)"/.exec(await (await fetch(`${porthole.found}/metrics`)).text())?.[1]
  console.log(
    `${pairs} ports close ${rounds} times each; interval 1 s, fall 3, timeout 1 s; asked every ${pollMs} ms; seed ${seed}; Porthole with its ${prober} prober`,
  )

  const random = seeded(seed)
  const contests = listeners.map(({ server, port }, pair) => ({
    server,
    port,
    phases: phasesOf(pair, random),
    ours: watch(`${porthole.found}/health/service-${port}`),
    theirs: watch(`http://127.0.0.1:${haproxyPort}/health/service-${port}`),
  }))
  const runs = await Promise.all(contests.map(closeAgainAndAgain))
  const detections = runs.flat().sort((a, b) => a.phase - b.phase)
  for (const { phase, ours, theirs } of detections)
    console.log(
      `  closed at .${(phase * 1000).toFixed().padStart(3, '0')} s   porthole ${ms(ours)}   haproxy ${ms(theirs)}`,
    )
  const ours = detections.map((each) => each.ours)
  const theirs = detections.map((each) => each.theirs)
  console.log(`porthole ${describe(ours)}\nhaproxy  ${describe(theirs)}`)
  console.log(`median ratio ${verdict(median(ours) / median(theirs), 1.05, 'at most')}`)
  const wrong = (whose: 'ours' | 'theirs') => contests.reduce((all, contest) => all + contest[whose].wrong(), 0)
  const answers = (whose: 'ours' | 'theirs') => contests.reduce((all, contest) => all + contest[whose].answers(), 0)
  console.log(
    `503 while the port was open: porthole ${verdict(wrong('ours'), 0, 'at most')} of ${answers('ours')} answers; haproxy ${wrong('theirs')} of ${answers('theirs')}`,
  )

  await Promise.all(contests.flatMap(({ ours, theirs }) => [ours.stop(), theirs.stop()]))
  for (const { server } of listeners) server.close()
  await Promise.all([porthole.stop(), haproxy.stop()])
  rmSync(folder, { recursive: true })
}

type Contest = {
  readonly server: Server
  readonly port: number
  readonly phases: readonly number[]
  readonly ours: Watch
  readonly theirs: Watch
}

async function closeAgainAndAgain({ server, port, phases, ours, theirs }: Contest): Promise<Detection[]> {
  const both = (status: number) => Promise.all([ours.first(status), theirs.first(status)])
  const detections: Detection[] = []
  await both(200)
  for (const phase of phases) {
    for (const state of [ours, theirs]) state.believe(200)
    await sleep(settledMs)
    const epochMs = Date.now()
    await sleep(nextScheduled(epochMs, phase, intervalMs) - epochMs)
    for (const state of [ours, theirs]) state.believe(null)
    const closedAt = performance.now()
    server.close()
    const [oursAt, theirsAt] = await both(503)
    detections.push({ phase, ours: oursAt - closedAt, theirs: theirsAt - closedAt })
    await listenOn(server, port)
    await both(200)
  }
  return detections
}

/**
 * Returns the parts of a second at which a port closes, from 0 up to 1. The second is divided into as many equal parts as there are detections.
 * Each detection has a random place in a part of its own, and those of one port are evenly spaced.
 */
function phasesOf(pair: number, random: () => number): number[] {
  const within = (pair + random()) / pairs
  return Array.from({ length: rounds }, (_, round) => ({ phase: (round + within) / rounds, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ phase }) => phase)
}

/** Returns a generator (Mulberry32) of numbers from 0 up to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** A client that requests a URL again and again on a connection of its own. */
type Watch = {
  /** Resolves with the time of the first answer with this status. Rejects if it takes too long. */
  first(status: number): Promise<number>
  /** Sets the only right status from now on; null: any status is right. */
  believe(status: number | null): void
  answers(): number
  wrong(): number
  stop(): Promise<void>
}

function watch(url: string): Watch {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let stopping = false
  let believed: number | null = null
  let [answers, wrong] = [0, 0]
  let answered: (status: number) => void = () => {}
  const ended = askOn()

  async function askOn(): Promise<void> {
    while (!stopping) {
      const askedAt = performance.now()
      const status = await ask()
      answers++
      if (believed !== null && status !== believed) wrong++
      answered(status)
      await sleep(Math.max(0, askedAt + pollMs - performance.now()))
    }
    agent.destroy()
  }

  async function ask(): Promise<number> {
    const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
    const { statusCode = 0 } = response
    await once(response.resume(), 'end')
    return statusCode
  }

  return {
    first: (wanted) =>
      new Promise((resolve, reject) => {
        const patience = setTimeout(() => reject(new Error(`${url} does not come to answer ${wanted}`)), patienceMs)
        answered = (status) => {
          if (status !== wanted) return
          clearTimeout(patience)
          answered = () => {}
          resolve(performance.now())
        }
      }),
    believe(status) {
      believed = status
    },
    answers: () => answers,
    wrong: () => wrong,
    stop() {
      stopping = true
      return ended
    },
  }
}

async function listen(port: number): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({ pauseOnConnect: true }, (socket) => socket.on('error', () => {}).destroy())
  await listenOn(server, port)
  return { server, port }
}

async function listenOn(server: Server, port: number): Promise<void> {
  await once(server.listen({ port, host: '127.0.0.1' }), 'listening')
}

function describe(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const p90 = sorted[Math.ceil(0.9 * sorted.length) - 1]
  return `min ${ms(sorted[0])}   median ${ms(median(sorted))}   p90 ${ms(p90)}   max ${ms(sorted.at(-1))}`
}

function ms(time = Number.NaN): string {
  return `${time.toFixed().padStart(4)} ms`
}

function writePortholeConfig(folder: string, ports: readonly number[]): string {
  const file = join(folder, 'porthole.json')
  const services = Object.fromEntries(ports.map((port) => [`service-${port}`, { targets: [`127.0.0.1:${port}`] }]))
  writeFileSync(file, JSON.stringify({ defaults: { interval: '1s', timeout: '1s', rise: 2, fall: 3 }, services }))
  return file
}

function writeHaproxyConfig(folder: string, ports: readonly number[]): string {
  const file = join(folder, 'haproxy.cfg')
  const lines = [
    'global',
    '  nbthread 1',
    'defaults',
    '  timeout connect 1s',
    '  timeout check 1s',
    '  timeout client 60s',
    '  timeout server 10s',
    'frontend health',
    '  mode http',
    `  bind 127.0.0.1:${haproxyPort}`,
    ...ports.map(
      (port) => `  http-request return status 200 if { path /health/service-${port} } { nbsrv(service-${port}) gt 0 }`,
    ),
    '  http-request return status 503',
    ...ports.flatMap((port) => [
      `backend service-${port}`,
      '  mode tcp',
      `  server one 127.0.0.1:${port} check inter 1s rise 2 fall 3`,
    ]),
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
