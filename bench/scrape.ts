// A scrape of Porthole's metrics page, whose numbers are kept in columns, against prom-client's rendering of the same series of the same
// monitor (prom-client-page.ts). In one process, round by round; each page is sent to a reader that takes a piece a turn of the
// event loop, as a socket does. Then what the columns cost with every outcome, which prom-client has not to pay.
import { Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Registry as Register } from 'prom-client'
import { systemClock } from '../src/clock.ts'
import { buildService } from '../src/domain/service.ts'
import { targetAt } from '../src/domain/target.ts'
import { createMetrics } from '../src/metrics/metrics.ts'
import { createMonitor, type Monitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry.ts'
import type { Prober } from '../src/prober/prober.ts'
import { median, verdict } from './processes.ts'
import { addServiceMetrics, addTargetMetrics } from './prom-client-page.ts'

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1000, 10_000, 100_000]
const rounds = 7
const groups = 100
/** As at the usual intervals: a check every 10 s, a scrape every 15 s. */
const outcomesPerScrape = 1.5

/** Some minute is usual; other work on this machine may stretch it. */
setTimeout(() => {
  console.log('ended: this takes longer than five minutes here')
  process.exit(1)
}, 300_000).unref()

setFlagsFromString('--expose-gc')
/** So that no scrape pays for what another one left. */
const collectGarbage: () => void = runInNewContext('gc')

/** `heldMs` is the longest time in which the event loop came to nothing else. */
type Scrape = { readonly ms: number; readonly heldMs: number; readonly bytes: number }

for (const size of sizes) await compare(size)

async function compare(size: number): Promise<void> {
  const clock = systemClock()
  const registry = createRegistry()
  const monitor = createMonitor({ registry, prober: createProber(), clock, maxInFlight: 1000 })
  registry.replaceAll(
    Array.from({ length: size }, (_, i) => {
      const target = targetAt(`127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, 20_000)
      // Long enough that none goes stale between two sweeps.
      return buildService(`service-${i}`, { targets: [target], groups: [`group-${i % groups}`], interval: 3_600_000 })
    }),
    [],
  )
  const unfollowed = await outcomeMicros(monitor)
  const streams = { stats: () => ({ open: 0, dropped: 0 }) }
  const parts = { monitor, registry, clock, keeper: null, streams, prober: 'kernel', version: 'bench' } as const
  const metrics = createMetrics(parts, { runtime: false })
  const register = new Register()
  addServiceMetrics(parts, [register])
  addTargetMetrics(parts, [register])
  const followed = await outcomeMicros(monitor)

  const ours: Scrape[] = []
  const theirs: Scrape[] = []
  const ratios: number[] = []
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    await sweep(monitor)
    // A million series that prom-client keeps would make each collection of garbage slower that falls into a scrape of ours.
    register.resetMetrics()
    const scrapeOurs = () => scrape(() => metrics.render())
    const scrapeTheirs = () => scrape(async () => [Buffer.from(await register.metrics())])
    const a = await scrapeOurs()
    const b = await scrapeTheirs()
    if (round === 0) continue
    ours.push(a)
    theirs.push(b)
    ratios.push(b.ms / a.ms)
  }
  console.log(`${size} targets, ${rounds} rounds; the median of each`)
  console.log(`  porthole     ${describe(ours)}`)
  console.log(`  prom-client  ${describe(theirs)}`)
  const bar = size >= 100_000 ? verdict(median(ratios), 20, 'at least') : median(ratios).toFixed(2)
  console.log(`  prom-client takes so many times as long: ${bar}`)
  console.log(
    `  an outcome takes ${unfollowed.toFixed(2)} µs of CPU, and ${followed.toFixed(2)} µs where the page follows it; series that differ: ${await differences(metrics.render(), register)}`,
  )
  const upkeepMs = (outcomesPerScrape * size * (followed - unfollowed)) / 1000
  const oursMs = median(ours.map(({ ms }) => ms)) + upkeepMs
  const theirsMs = median(theirs.map(({ ms }) => ms))
  console.log(
    `  all in all, with ${outcomesPerScrape} outcomes of each target to a scrape: ${oursMs.toFixed(0)} ms against ${theirsMs.toFixed(0)} ms`,
  )
}

/** Lays out and sends a page. */
async function scrape(render: () => AsyncIterable<Buffer> | Promise<Buffer[]>): Promise<Scrape> {
  collectGarbage()
  await nextTurn()
  let heldMs = 0
  let turn = performance.now()
  let next = setImmediate(look)
  function look(): void {
    const now = performance.now()
    heldMs = Math.max(heldMs, now - turn)
    turn = now
    next = setImmediate(look)
  }
  let bytes = 0
  const reader = new Writable({
    write(chunk: Buffer, _encoding, taken) {
      bytes += chunk.length
      setImmediate(taken)
    },
  })
  const begin = performance.now()
  // As the route does: the next piece is asked for when this one is taken.
  for await (const piece of await render()) await new Promise((taken) => reader.write(piece, taken))
  const ms = performance.now() - begin
  await nextTurn()
  clearImmediate(next)
  return { ms, heldMs, bytes }
}

function describe(scrapes: readonly Scrape[]): string {
  const figure = (read: (scrape: Scrape) => number) => median(scrapes.map(read))
  return `${figure(({ ms }) => ms).toFixed(2)} ms, the event loop held for ${figure(({ heldMs }) => heldMs).toFixed(2)} ms, ${(figure(({ bytes }) => bytes) / 1e6).toFixed(2)} MB`
}

/** Checks every target once. */
async function sweep(monitor: Monitor): Promise<void> {
  for (const { targets } of monitor.services.values())
    for (const watched of targets) monitor.beat(watched, performance.now())
  while (monitor.stats().inFlight > 0) await nextTurn()
}

/** What an outcome takes, in microseconds: the median of some rounds of 100,000. */
async function outcomeMicros(monitor: Monitor): Promise<number> {
  const sweeps = Math.ceil(100_000 / monitor.services.size)
  const micros: number[] = []
  for (let round = 0; round < 6; round++) {
    const begin = process.cpuUsage()
    for (let i = 0; i < sweeps; i++) await sweep(monitor)
    const { user, system } = process.cpuUsage(begin)
    // The first round only warms up.
    if (round > 0) micros.push((user + system) / (sweeps * monitor.services.size))
  }
  return median(micros)
}

/** How many series of services, groups and targets one page has and the other has not, or with another value. */
async function differences(page: AsyncIterable<Buffer>, register: Register): Promise<number> {
  const read = (text: string) => text.split('\n').filter((line) => /^porthole_(service|group|target)_/.test(line))
  let text = ''
  for await (const piece of page) text += piece.toString()
  const ours = read(text)
  const theirs = read(await register.metrics())
  const known = new Set(theirs)
  return ours.filter((line) => !known.has(line)).length + Math.abs(ours.length - theirs.length)
}

/** Answers at once: one of 256 targets refuses, and no two handshakes take as long. */
function createProber(): Prober {
  const clock = systemClock()
  return {
    name: 'kernel',
    check({ target }, ended) {
      const endedAt = clock.now()
      const isUp = !target.host.endsWith('.99')
      const outcome = {
        reason: isUp ? 'connected' : 'refused',
        startedAt: endedAt - 1,
        endedAt,
        address: target.name,
        latencyMs: Math.round(100 + Math.random() * 900) / 1000,
        synRetransmits: 0,
        answer: null,
        icmp: null,
        code: isUp ? null : 'ECONNREFUSED',
      } as const
      queueMicrotask(() => ended(outcome))
    },
    restarts: () => 0,
    close: async () => undefined,
  }
}
