// Measures the cost of a target, and how it grows. The sizes are numbers of services with one target each, all up, at an interval of 10 s. In a
// first window Porthole only checks, which gives the cost of a check. In a second window it also gets 200 requests a second and a scrape every 5
// s, which gives the lateness. Then it loads another configuration, in which one in ten services has another definition and one in a hundred is
// another service. That gives the waiting times of clients during a reload. `node bench/scale.ts SIZE… [--soak MINUTES]`: these sizes; the last
// one goes on for MINUTES. Runs in a network namespace of its own if one can be made.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { reasons } from '../src/domain/check/outcome.ts'
import { type Asked, askElsewhere } from './asking.ts'
import { latenessMs, readPage, type Scrape, scrape, sum } from './page.ts'
import {
  canIsolate,
  cpuMicrosOf,
  median,
  memoryOf,
  type Running,
  runInNamespace,
  startListener,
  startPorthole,
  verdict,
} from './processes.ts'
import { intervalSeconds, nameOf, type Reloaded, reload, untilReady, writeServices } from './services.ts'

const secondsPerWindow = 20
const secondsPerScrape = 5
const asksPerSecond = 200
/** The longest time for one size, in seconds. */
const patience = 400
/** The longest time for a reload. Some seconds are usual, but the thread that parses goes behind all other work on this machine. */
const secondsToReload = 150
/** The number of seconds after which freed memory has gone back to the system. */
const secondsToGiveBack = 12
const self = fileURLToPath(import.meta.url)

/** The memory of a target, in bytes above an empty Porthole. */
type Memory = { readonly beforeScrapes: number; readonly afterScrapes: number; readonly peak: number }
type Figures = {
  readonly targets: number
  readonly startMs: number
  readonly sweepMs: number
  readonly cpuMicros: number
  readonly scrapedCpuMicros: number
  readonly perSecond: number
  readonly lateQuiet: number
  readonly late: readonly number[]
  readonly inFlight: number
  readonly loopMs: number
  readonly memory: Memory
  readonly plain: Pick<Scrape, 'ms' | 'bytes'>
  readonly zipped: Pick<Scrape, 'ms' | 'bytes'>
  readonly asked: Asked
  /** The ratio of the memory at the end of the soak to that at its start; null without a soak. */
  readonly soaked: number | null
  readonly reloaded: Reloaded
  /** The counts of false verdicts, by reason. */
  readonly falseVerdicts: readonly (readonly [string, number])[]
}

await main()

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { soak: { type: 'string' } } })
  const isInside = positionals[0] === 'inside'
  const given = positionals.slice(isInside ? 1 : 0).map(Number)
  const sizes = given.length > 0 ? given : [1000, 10_000, 100_000]
  if (!sizes.every((size) => Number.isInteger(size) && size > 0)) throw new Error('a size is a number of services')
  const soakMinutes = Math.min(15, Math.ceil(Number(values.soak ?? 0)))
  if (isInside || !canIsolate()) return measureAll(sizes, soakMinutes)
  const args = ['inside', ...sizes.map(String), '--soak', String(soakMinutes)]
  runInNamespace(self, args, (sizes.length * patience + soakMinutes * 60 + 60) * 1000)
}

async function measureAll(sizes: readonly number[], soakMinutes: number): Promise<void> {
  const listener = await startListener(8, '0.0.0.0')
  const empty = await measureEmpty()
  console.log(
    `services of one target each at ${intervalSeconds} s; an empty Porthole starts in ${empty.startMs.toFixed(0)} ms and has ${megabytes(empty.beforeScrapes)} MB, ${megabytes(empty.afterScrapes)} MB once scraped`,
  )
  const all: Figures[] = []
  for (const size of sizes) {
    console.log(`${size} targets …`)
    all.push(await measure(size, listener.ports, empty, size === sizes.at(-1) ? soakMinutes : 0))
  }
  await listener.stop()
  report(all)
}

async function measureEmpty(): Promise<Memory & { startMs: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const begin = performance.now()
  const porthole = await startPorthole(['--config', writeServices(folder, 0, [1]).file])
  const startMs = performance.now() - begin
  await sleep(3000)
  const beforeScrapes = memoryOf(porthole.pid).now
  for (let i = 0; i < 3; i++) await scrape(porthole.found, 'gzip')
  await sleep(secondsToGiveBack * 1000)
  const { now, peak } = memoryOf(porthole.pid)
  await porthole.stop()
  rmSync(folder, { recursive: true })
  return { startMs, beforeScrapes, afterScrapes: now, peak }
}

async function measure(size: number, ports: readonly number[], empty: Memory, soakMinutes: number): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const config = writeServices(folder, size, ports)
  const begin = performance.now()
  const porthole = await startPorthole(['--config', config.file], {
    PORTHOLE_PROBER: process.env.PORTHOLE_PROBER ?? 'kernel',
  })
  const listening = performance.now()
  const { found: url, pid } = porthole
  await untilReady(url)
  const swept = performance.now()
  // Wait until every target has had its first scheduled check.
  await sleep(intervalSeconds * 1000)

  const fresh = memoryOf(pid).now
  const first = await readPage(url)
  await sleep(1000)
  const quiet = await readCpuAround(pid, () => sleep(secondsPerWindow * 1000))
  const second = await readPage(url)
  const loopMs: number[] = []
  const { asked, ...scraped } = await readCpuAround(pid, async () => {
    const asking = askElsewhere({ url, paths: pathsOf(size), perSecond: asksPerSecond, seconds: secondsPerWindow })
    for (let i = 0; i < secondsPerWindow / secondsPerScrape; i++) {
      const next = sleep(secondsPerScrape * 1000)
      const { page } = await scrape(url, 'gzip')
      loopMs.push(loopLateMs(page))
      await next
    }
    return { asked: await asking.asked }
  })
  const last = await readPage(url)
  const perSecond = (last.checks - first.checks) / ((last.at - first.at) / 1000)

  const scrapes = async (encoding: 'gzip' | 'identity') => {
    const three = [await scrape(url, encoding), await scrape(url, encoding), await scrape(url, encoding)]
    return { ms: median(three.map(({ ms }) => ms)), bytes: median(three.map(({ bytes }) => bytes)) }
  }
  const plain = await scrapes('identity')
  const zipped = await scrapes('gzip')
  await sleep(secondsToGiveBack * 1000)
  const { now, peak } = memoryOf(pid)
  const soaked = soakMinutes > 0 ? await soak(porthole, soakMinutes) : null
  const reloaded = await reload(porthole, config, writeServices(folder, size, ports, true), {
    asksPerSecond,
    seconds: secondsToReload,
  })
  // The first checks of new services are spread over one second.
  await sleep(3000)
  const end = await readPage(url)
  await porthole.stop()
  rmSync(folder, { recursive: true })
  return {
    targets: size,
    startMs: listening - begin,
    sweepMs: swept - listening,
    cpuMicros: quiet.microsPerSecond / perSecond,
    scrapedCpuMicros: scraped.microsPerSecond / perSecond,
    perSecond,
    lateQuiet: latenessMs(first.page, second.page, 0.99),
    late: [0.5, 0.99, 1].map((q) => latenessMs(second.page, last.page, q)),
    inFlight: sum(last.page, 'porthole_checks_in_flight'),
    // The first figure is about the time before the window.
    loopMs: Math.max(...loopMs.slice(1)),
    memory: {
      beforeScrapes: (fresh - empty.beforeScrapes) / size,
      afterScrapes: (now - empty.afterScrapes) / size,
      peak: (peak - empty.peak) / size,
    },
    plain,
    zipped,
    asked,
    soaked,
    reloaded,
    falseVerdicts: [
      ...reasons
        .filter((reason) => reason !== 'connected')
        .map((reason) => [reason, sum(end.page, 'porthole_checks_total', `reason="${reason}"`)] as const),
      ['not up', size - sum(end.page, 'porthole_service_up')] as const,
      ['answered otherwise than 200', asked.wrong + reloaded.asked.wrong] as const,
    ].filter(([, count]) => count > 0),
  }
}

/** Returns the path of every service, with a stride that is coprime to the sizes. */
function pathsOf(size: number): string[] {
  return Array.from({ length: size }, (_, i) => `/health/${nameOf((i * 7919) % size)}`)
}

/**
 * Returns how late the event loop came to a timer with fixed intervals, as p99 since the previous page, in milliseconds. Node.js reports the
 * time between two wake-ups, which is never less than an interval. The least of them stands for the interval.
 */
function loopLateMs(page: string): number {
  return (sum(page, 'nodejs_eventloop_lag_p99_seconds') - sum(page, 'nodejs_eventloop_lag_min_seconds')) * 1000
}

/** Measures the CPU time of a process for each second while `work` runs. */
async function readCpuAround<T>(pid: number, work: () => Promise<T>): Promise<T & { microsPerSecond: number }> {
  const [at, before] = [performance.now(), cpuMicrosOf(pid)]
  const result = await work()
  const microsPerSecond = (cpuMicrosOf(pid) - before) / ((performance.now() - at) / 1000)
  return { ...result, microsPerSecond }
}

/**
 * Goes on with a scrape every 15 s, as Prometheus does, and prints the memory every minute. Returns the least resident memory of the last half
 * divided by that of the first half. A leak raises this ratio, while garbage that is not collected yet in some of the time does not.
 */
async function soak({ found, pid }: Running, minutes: number): Promise<number> {
  const resident: number[] = []
  for (let minute = 1; minute <= minutes; minute++) {
    let page = ''
    for (let i = 0; i < 4; i++) {
      await sleep(15_000)
      // The memory of the last scrape has gone back to the system.
      resident.push(memoryOf(pid).now)
      page = (await scrape(found, 'gzip')).page
    }
    const heap = sum(page, 'nodejs_heap_size_used_bytes')
    const [least = 0, most = 0] = [Math.min, Math.max].map((choose) => choose(...resident.slice(-4)))
    console.log(
      `  minute ${minute}: ${megabytes(least)} to ${megabytes(most)} MB resident, ${megabytes(heap)} MB of the heap used`,
    )
  }
  const middle = resident.length / 2
  return Math.min(...resident.slice(middle)) / Math.min(...resident.slice(0, middle))
}

function report(all: readonly Figures[]): void {
  const costs: [string, (figures: Figures) => number][] = [
    ['start ms', ({ startMs }) => startMs],
    ['first sweep ms', ({ sweepMs }) => sweepMs],
    ['CPU µs a check', ({ cpuMicros }) => cpuMicros],
    ['asked and scraped', ({ scrapedCpuMicros }) => scrapedCpuMicros],
    ['bytes a target', ({ memory }) => memory.beforeScrapes],
    ['once scraped', ({ memory }) => memory.afterScrapes],
    ['at most', ({ memory }) => memory.peak],
    ['scrape ms', ({ plain }) => plain.ms],
    ['gzip ms', ({ zipped }) => zipped.ms],
    ['kB', ({ plain }) => plain.bytes / 1000],
    ['gzip kB', ({ zipped }) => zipped.bytes / 1000],
  ]
  const rows = all.map((figures, i) => {
    const before = all[i - 1]
    return [
      String(figures.targets),
      ...costs.map(([, read]) => {
        const factor = before === undefined ? '' : ` (×${(read(figures) / read(before)).toFixed(1)})`
        return `${read(figures).toFixed(0)}${factor}`
      }),
    ]
  })
  console.log('\nwhat it costs, and how often as much as in the row above')
  table(['targets', ...costs.map(([name]) => name)], rows)
  console.log('\nhow late it is while it is asked and scraped')
  table(
    [
      'targets',
      'checks/s',
      'late p50 ms',
      'p99',
      'at most',
      'p99 unasked',
      'in flight',
      'loop p99 ms',
      'health p50 ms',
      'p99',
      'longest',
    ],
    all.map(({ targets, perSecond, late, lateQuiet, inFlight, loopMs, asked }) => [
      String(targets),
      ...[perSecond, ...late, lateQuiet, inFlight, loopMs].map((figure) => figure.toFixed(0)),
      ...[asked.p50, asked.p99, asked.longest].map((figure) => figure.toFixed(1)),
    ]),
  )
  console.log('\nwhile another configuration is loaded')
  table(
    ['targets', 'reload ms', 'livez p50 ms', 'p99', 'longest'],
    all.map(({ targets, reloaded: { ms, asked } }) => [
      String(targets),
      ms.toFixed(0),
      ...[asked.p50, asked.p99, asked.longest].map((figure) => figure.toFixed(1)),
    ]),
  )
  console.log('')
  for (const { targets, startMs, sweepMs, late, memory, asked, soaked, reloaded, falseVerdicts } of all) {
    const say = (what: string, figure: number, bar: number) =>
      console.log(`${targets} targets: ${what} ${verdict(figure, bar, 'at most')}`)
    if (targets === 100_000) say('lateness p99 ms', late[1] ?? Number.NaN, 100)
    if (targets === 10_000) say('first sweep ms', sweepMs, 1500)
    if (targets === 100_000) say('listening after ms', startMs, 5000)
    if (targets === 100_000) say('bytes a target', Math.max(memory.beforeScrapes, memory.afterScrapes), 1024)
    if (soaked !== null) say('resident in the last half of the soak, against the first', soaked, 1.05)
    say('health p99 ms', asked.p99, 50)
    say('longest wait in a reload ms', reloaded.asked.longest, 50)
    say(
      'false verdicts',
      falseVerdicts.reduce((total, [, count]) => total + count, 0),
      0,
    )
    for (const [what, count] of falseVerdicts) console.log(`  ${what}: ${count}`)
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)))
  for (const row of [head, ...rows]) console.log(`  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}`)
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}
