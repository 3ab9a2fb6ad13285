// Runs a real Prometheus that scrapes 100,000 targets every 5 s for a minute, while Porthole loads another configuration. In that one, one in
// ten services has another definition and one in a hundred is another service. Measures whether a scrape is missed or a sample rejected, by the
// figures of Prometheus itself. `node bench/prometheus.ts [SIZE]`. Runs in a network namespace of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sum } from './page.ts'
import { has, type Running, runInNamespace, start, startListener, startPorthole, verdict } from './processes.ts'
import { reload, until, untilReady, writeServices } from './services.ts'

const secondsPerScrape = 5
const seconds = 60
const secondsUntilReload = 20
const asksPerSecond = 200
/** The metrics of Prometheus for rejected samples. */
const rejected = ['out_of_order', 'duplicate_timestamp', 'out_of_bounds'].map(
  (why) => `prometheus_target_scrapes_sample_${why}_total`,
)

if (process.argv[2] === 'inside') await measure(Number(process.argv[3]), process.argv[4] ?? '')
else if (has('prometheus', 'prometheus', 'the scrapes of Prometheus')) {
  // Make and remove the folder outside of the namespace, so that it is removed however the measurement ends.
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  runInNamespace(fileURLToPath(import.meta.url), ['inside', process.argv[2] ?? '100000', folder], 170_000)
  rmSync(folder, { recursive: true, maxRetries: 10 })
}

async function measure(size: number, folder: string): Promise<void> {
  const listener = await startListener(8, '0.0.0.0')
  const config = writeServices(folder, size, listener.ports)
  const porthole = await startPorthole(['--config', config.file], {
    PORTHOLE_PROBER: process.env.PORTHOLE_PROBER ?? 'kernel',
  })
  await untilReady(porthole.found)
  const prometheus = await startPrometheus(folder, porthole.found)
  console.log(`${size} targets scraped every ${secondsPerScrape} s by Prometheus …`)
  const begin = await untilScraped(prometheus.found)
  await sleepUntil(begin + secondsUntilReload)
  const another = writeServices(folder, size, listener.ports, true)
  const { ms } = await reload(porthole, config, another, { asksPerSecond, seconds: seconds - secondsUntilReload })
  console.log(
    `  ${since(begin, Date.now() / 1000)}   another configuration is in force, ${ms.toFixed(0)} ms after SIGHUP`,
  )
  await report(prometheus.found, begin)
  await Promise.all([prometheus.stop(), porthole.stop(), listener.stop()])
}

/** Starts Prometheus on a free port. `found` is its URL. */
async function startPrometheus(folder: string, porthole: string): Promise<Running> {
  const file = join(folder, 'prometheus.json')
  // JSON is YAML.
  const every = `${secondsPerScrape}s`
  writeFileSync(
    file,
    JSON.stringify({
      global: { scrape_interval: every, scrape_timeout: every },
      scrape_configs: [{ job_name: 'porthole', static_configs: [{ targets: [new URL(porthole).host] }] }],
    }),
  )
  const running = await start(
    'prometheus',
    [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0'],
    /msg="Listening on" address=(127\.0\.0\.1:\d+)/,
  )
  return { ...running, found: `http://${running.found}` }
}

/**
 * Waits until Prometheus scrapes at its interval, because the first scrape creates all the series and may take longer. Returns when the last
 * scrape began, in seconds of the time of day.
 */
async function untilScraped(url: string): Promise<number> {
  let [before, last] = [Number.NaN, Number.NaN]
  await until(`a scrape began ${secondsPerScrape} s after the one before it`, 60, async () => {
    const begun = (await samplesOf(url, 'up', Date.now() / 1000)).map(([at]) => at)
    ;[before = Number.NaN, last = Number.NaN] = begun.slice(-2)
    return Math.abs(last - before - secondsPerScrape) < 0.1
  })
  return last
}

/** Prints the results of the scrapes of a minute, at the end of the minute. */
async function report(url: string, begin: number): Promise<void> {
  // Wait half an interval more, because Prometheus may scrape a little late. Then also wait for the last scrape to end.
  const end = begin + seconds + secondsPerScrape / 2
  await sleepUntil(end + secondsPerScrape)
  const read = (name: string) => samplesOf(url, name, end)
  const [up, scraped, kept, took] = await Promise.all([
    read('up'),
    read('scrape_samples_scraped'),
    read('scrape_samples_post_metric_relabeling'),
    read('scrape_duration_seconds'),
  ])
  for (const [i, [at]] of up.entries())
    console.log(`  ${since(begin, at)}   ${scraped[i]?.[1]} samples in ${took[i]?.[1].toFixed(2)} s`)
  const page = await (await fetch(`${url}/metrics`)).text()
  const total = (samples: Samples) => samples.reduce((sum, [, value]) => sum + value, 0)
  console.log(`longest scrape ${Math.max(...took.map(([, value]) => value)).toFixed(2)} s`)
  console.log(`scrapes missed: ${verdict(seconds / secondsPerScrape - up.length, 0, 'at most')}`)
  console.log(`scrapes that failed: ${verdict(up.length - total(up), 0, 'at most')}`)
  const refused = rejected.reduce((all, name) => all + sum(page, name), 0)
  console.log(`samples rejected: ${verdict(refused + total(scraped) - total(kept), 0, 'at most')}`)
}

type Samples = readonly (readonly [at: number, value: number])[]

/**
 * Returns the samples of a series that Prometheus has from the time before an instant, in seconds of the time of day. Returns nothing while
 * Prometheus is not ready.
 */
async function samplesOf(url: string, name: string, until: number): Promise<Samples> {
  const query = new URLSearchParams({ query: `${name}[${seconds}s]`, time: String(until) })
  const answer = await fetch(`${url}/api/v1/query?${query}`)
  if (answer.status === 503) return []
  if (!answer.ok) throw new Error(`Prometheus answers ${answer.status}: ${await answer.text()}`)
  const { data } = (await answer.json()) as { data: { result: { values: [number, string][] }[] } }
  return (data.result[0]?.values ?? []).map(([at, value]) => [at, Number(value)])
}

function since(begin: number, at: number): string {
  return `${(at - begin).toFixed(1).padStart(4)} s`
}

/** Sleeps until a time of day, in seconds since the epoch. */
function sleepUntil(epochSeconds: number): Promise<void> {
  return sleep(Math.max(0, epochSeconds * 1000 - Date.now()))
}
