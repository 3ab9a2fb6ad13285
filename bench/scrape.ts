// Measures a scrape of Porthole's metrics page, whose numbers are stored in columns, against prom-client's rendering of the same series of the
// same monitor (prom-client-page.ts). For prom-client it measures setting and rendering all series, and rendering alone. Both run in one
// process, round by round. Each page goes to a reader that takes every chunk at once, as a client on this machine does. It also measures a page
// narrowed to ten of all services, and the cost of the columns for every outcome, which prom-client does not have.
import { Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Registry as Register } from 'prom-client'
import { buildService } from '../src/domain/service/service.ts'
import { targetAt } from '../src/domain/target/target.ts'
import { createMetrics } from '../src/metrics/metrics.ts'
import { createMonitor, type Monitor } from '../src/monitor/monitor.ts'
import { createRegistry } from '../src/monitor/registry/registry.ts'
import type { Prober } from '../src/prober/prober.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { median, verdict } from './processes.ts'
import { addServiceMetrics, addTargetMetrics } from './prom-client-page.ts'

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1000, 10_000, 100_000]
const rounds = 7
const groups = 100
/** The usual ratio: a check every 10 s, a scrape every 15 s. */
const outcomesPerScrape = 1.5
/** How long the route sends a page before it yields to the event loop, in milliseconds (src/http/metrics.ts). */
const turnMs = 5
/** The longest time for which the event loop may be blocked, in milliseconds. */
const mostHeldMs = 20

/** About one minute is usual, but other work on this machine may stretch it. */
setTimeout(() => {
  console.log('ended: this takes longer than five minutes here')
  process.exit(1)
}, 300_000).unref()

setFlagsFromString('--expose-gc')
/** Collect garbage before each scrape, so that no scrape pays for the garbage of another. */
const collectGarbage: () => void = runInNewContext('gc')

/** `heldMs` is the longest time for which the event loop was blocked, in milliseconds. */
type Scrape = { readonly ms: number; readonly heldMs: number; readonly bytes: number }

for (const size of sizes) await compare(size)

async function compare(size: number): Promise<void> {
  const clock = systemClock()
  const registry = createRegistry()
  const monitor = createMonitor({ registry, prober: createProber(), clock, maxInFlight: 1000 })
  registry.replaceAll(
    Array.from({ length: size }, (_, i) => {
      const target = targetAt(`127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, 20_000)
      // The interval is so long that no status goes stale between two sweeps.
      const named = [`group-${i % groups}`, ...(i % (size / 10) === 0 ? ['ten'] : [])]
      return buildService(`service-${i}`, { targets: [target], groups: named, interval: 3_600_000 })
    }),
    [],
  )
  const unfollowed = await outcomeMicros(monitor)
  const streams = { stats: () => ({ open: 0, dropped: 0 }) }
  const parts = { monitor, registry, clock, retryingStore: null, streams, prober: 'kernel', version: 'bench' } as const
  const metrics = createMetrics(parts, { runtime: false })
  const register = new Register()
  let settingMs = 0
  const timed = (layOut: () => void) => {
    const begin = performance.now()
    layOut()
    settingMs += performance.now() - begin
  }
  addServiceMetrics(parts, [register], timed)
  addTargetMetrics(parts, [register], timed)
  const followed = await outcomeMicros(monitor)

  const ours: Scrape[] = []
  const narrowed: Scrape[] = []
  const theirs: (Scrape & { readonly settingMs: number })[] = []
  const ratios: number[] = []
  const renderingRatios: number[] = []
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    await sweep(monitor)
    // The million series of prom-client would slow down each garbage collection during a scrape of Porthole.
    register.resetMetrics()
    const a = await scrape(() => metrics.render())
    const ten = await scrape(() => metrics.render({ selection: { group: ['ten'] } }))
    settingMs = 0
    const b = await scrape(async () => [Buffer.from(await register.metrics())])
    if (round === 0) continue
    ours.push(a)
    narrowed.push(ten)
    theirs.push({ ...b, settingMs })
    ratios.push(b.ms / a.ms)
    renderingRatios.push((b.ms - settingMs) / a.ms)
  }
  const setting = median(theirs.map((one) => one.settingMs))
  const rendering = median(theirs.map((one) => one.ms - one.settingMs))
  console.log(
    `${size} targets, ${rounds} rounds; the median of each, and the longest of all for which the event loop was held`,
  )
  console.log(`  porthole     ${describe(ours)}`)
  console.log(`  ten services ${describe(narrowed)}`)
  console.log(
    `  prom-client  ${describe(theirs)}; setting ${setting.toFixed(2)} ms, rendering ${rendering.toFixed(2)} ms`,
  )
  const heldMs = (scrapes: readonly Scrape[]) => Math.max(...scrapes.map((one) => one.heldMs))
  const withBar = (ratio: number) => (size >= 100_000 ? verdict(ratio, 20, 'at least') : ratio.toFixed(2))
  console.log(`  the event loop held, in ms: ${verdict(heldMs(ours), mostHeldMs, 'at most')}`)
  console.log(
    `    for ten services: ${verdict(heldMs(narrowed), mostHeldMs, 'at most')}; by prom-client: ${heldMs(theirs).toFixed(2)}`,
  )
  // The bar applies to the rendering, because prom-client may set its series as outcomes come in, as Porthole does.
  console.log(`  prom-client takes so many times as long to render what is set: ${withBar(median(renderingRatios))}`)
  console.log(`    to set and to render: ${median(ratios).toFixed(2)}`)
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
      taken()
    },
  })
  const begin = performance.now()
  let turnEndsAt = begin + turnMs
  // Take the next chunk once this one is taken, in the same turn until its time is over, as the route does.
  for await (const chunk of await render()) {
    await new Promise((taken) => reader.write(chunk, taken))
    if (performance.now() < turnEndsAt) continue
    await nextTurn()
    turnEndsAt = performance.now() + turnMs
  }
  const ms = performance.now() - begin
  await nextTurn()
  clearImmediate(next)
  return { ms, heldMs, bytes }
}

function describe(scrapes: readonly Scrape[]): string {
  const figure = (read: (scrape: Scrape) => number) => median(scrapes.map(read))
  return `${figure(({ ms }) => ms).toFixed(2)} ms, ${(figure(({ bytes }) => bytes) / 1e6).toFixed(2)} MB`
}

/** Checks every target once. */
async function sweep(monitor: Monitor): Promise<void> {
  for (const { targets } of monitor.services.values())
    for (const state of targets) monitor.checkOnSchedule(state, performance.now())
  while (monitor.stats().inFlight > 0) await nextTurn()
}

/** Returns the time of one outcome, in microseconds: the median of some rounds of 100,000. */
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

/** Returns how many series of services, groups and targets differ between two pages: missing in one, with another value, or more often. */
async function differences(page: AsyncIterable<Buffer>, register: Register): Promise<number> {
  const read = (text: string) => text.split('\n').filter((line) => /^porthole_(service|group|target)_/.test(line))
  let text = ''
  for await (const chunk of page) text += chunk.toString()
  const surplus = new Map<string, number>()
  const count = (lines: readonly string[], by: 1 | -1) => {
    for (const line of lines) surplus.set(line, (surplus.get(line) ?? 0) + by)
  }
  count(read(text), 1)
  count(read(await register.metrics()), -1)
  let differing = 0
  for (const times of surplus.values()) differing += Math.abs(times)
  return differing
}

/** A prober that answers at once. One of 256 targets refuses, and each handshake takes another time. */
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
        note: null,
        lookupMs: null,
        lookupFailedSince: null,
      } as const
      queueMicrotask(() => ended(outcome))
    },
    restarts: () => 0,
    close: async () => undefined,
  }
}
