// What happens where much more is due than the machine can do: 100,000 targets at 1 s, one in twenty of them silent behind a
// firewall. How even the checks are that get made, whether anything is wrongly called down, and how long people wait meanwhile.
// In a network namespace of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { askElsewhere } from './asking.ts'
import { latenessMs, scrape, sum } from './page.ts'
import { dropWhatGoesTo, has, memoryOf, runInNamespace, startListener, startPorthole, verdict } from './processes.ts'

const targets = 100_000
const silentEvery = 20
const dropped = 81
const secondsToSettle = 30
const seconds = 30
const asksPerSecond = 200

if (process.argv[2] === 'inside') await measure()
else if (has('nft', 'nftables', 'the firewall that drops'))
  runInNamespace(fileURLToPath(import.meta.url), ['inside'], 240_000)

async function measure(): Promise<void> {
  dropWhatGoesTo(dropped)
  const folder = mkdtempSync(join(tmpdir(), 'porthole-bench-'))
  const listener = await startListener(8, '0.0.0.0')
  const porthole = await startPorthole(['--config', writeConfig(folder, listener.ports)])
  const { found: url, pid } = porthole
  console.log(`${targets} targets at 1 s, ${targets / silentEvery} of them silent; ${secondsToSettle} s to settle …`)
  await sleep(secondsToSettle * 1000)

  const { page: before } = await scrape(url, 'identity')
  const ask = (paths: string[]) => askElsewhere({ url, paths, perSecond: asksPerSecond / 2, seconds }).asked
  const [livez, health] = await Promise.all([ask(['/livez']), ask(['/health/service-1', '/health/service-99999'])])
  const { page: after } = await scrape(url, 'identity')

  const made = checksBetween(before, after)
  const quantile = (q: number) => made[Math.floor(q * (made.length - 1))] ?? Number.NaN
  const perSecond = (sum(after, 'porthole_checks_total') - sum(before, 'porthole_checks_total')) / seconds
  console.log(
    `some ${perSecond.toFixed(0)} checks a second, begun ${latenessMs(before, after, 0.5).toFixed(0)} ms late (p50)`,
  )
  console.log(
    `checks of a target that answers: ${quantile(0)} to ${quantile(1)}, of nine in ten ${quantile(0.05)} to ${quantile(0.95)}`,
  )
  console.log(`resident ${(memoryOf(pid).now / 1e6).toFixed(0)} MB\n`)
  const found = notUp(after)
  console.log(
    `called down though they answer: ${verdict(found.down, 0, 'at most')}; not known for the moment: ${found.unknown}`,
  )
  console.log(`most checks of a target against the fewest: ${verdict(quantile(1) / quantile(0), 1.5, 'at most')}`)
  for (const [what, { p50, p99, longest, wrong }] of [
    ['/livez', livez],
    ['/health/{service}', health],
  ] as const) {
    console.log(
      `${what}: p50 ${p50.toFixed(1)} ms, at most ${longest.toFixed(0)} ms; p99 ms ${verdict(p99, 50, 'at most')}`,
    )
    console.log(`${what} answered otherwise than 200: ${verdict(wrong, 0, 'at most')}`)
  }
  await porthole.stop()
  await listener.stop()
  rmSync(folder, { recursive: true })
}

function writeConfig(folder: string, ports: readonly number[]): string {
  const file = join(folder, 'porthole.json')
  const services = Object.fromEntries(
    Array.from({ length: targets }, (_, i) => {
      const port = i % silentEvery === 0 ? dropped : ports[i % ports.length]
      return [`service-${i}`, { targets: [`127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:${port}`] }]
    }),
  )
  const defaults = { interval: '1s', timeout: '1s' }
  writeFileSync(file, JSON.stringify({ defaults, limits: { services: targets }, services }))
  return file
}

/** How many targets that answer are down, and how many are not known, by a page. */
function notUp(page: string): { readonly down: number; readonly unknown: number } {
  const lines = [...page.matchAll(/^porthole_target_(up|down_reason)\{(.*)\} (\d)$/gm)]
    .map(([, name, labels = '', value]) => ({ name, labels, value }))
    .filter(({ labels }) => !labels.includes(`:${dropped}"`))
  // What is too old to be believed is Porthole's own fault, and told so.
  const down = lines.filter(({ name, labels }) => name === 'down_reason' && !labels.includes('reason="local"')).length
  return { down, unknown: lines.filter(({ name, value }) => name === 'up' && value === '0').length - down }
}

/** How many checks each target that answers had between two pages, the fewest first. */
function checksBetween(before: string, after: string): number[] {
  const earlier = checksOf(before)
  return [...checksOf(after)]
    .filter(([labels]) => !labels.includes(`:${dropped}"`))
    .map(([labels, checks]) => checks - (earlier.get(labels) ?? 0))
    .sort((a, b) => a - b)
}

function checksOf(page: string): Map<string, number> {
  const lines = page.matchAll(/^porthole_target_checks_total\{(.*)\} +(\S+)$/gm)
  return new Map([...lines].map(([, labels = '', checks]) => [labels, Number(checks)]))
}
