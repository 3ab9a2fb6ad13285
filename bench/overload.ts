// Measures overload: 100,000 targets at 1 s, which is more than the machine can check. One in ten is silent behind a firewall. The silent
// targets are twice as many as may be under way at once, so Porthole has to keep them from delaying the others. Measures how even the checks
// are, whether a target is wrongly found or reported down, and how long clients wait. Runs in a network namespace of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { TransitionReport } from '../src/http/services/transition-reports.ts'
import { askElsewhere } from './asking.ts'
import { latenessMs, readPage, sum } from './page.ts'
import { dropWhatGoesTo, has, memoryOf, runInNamespace, startListener, startPorthole, verdict } from './processes.ts'

const targets = 100_000
const silentEvery = 10
const dropped = 81
const secondsToSettle = 30
const seconds = 30
const asksPerSecond = 200
/** The number of requests a second for all answering targets together: as from ten load balancers that ask every two seconds. */
const setAsksPerSecond = 5

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

  const from = new Date().toISOString()
  const before = await readPage(url)
  const ask = (perSecond: number, ...paths: string[]) => askElsewhere({ url, paths, perSecond, seconds }).asked
  const [livez, health, set] = await Promise.all([
    ask(asksPerSecond / 2, '/livez'),
    ask(asksPerSecond / 2, '/health/service-1', '/health/service-99999'),
    ask(setAsksPerSecond, '/health?group=answering'),
  ])
  const after = await readPage(url)
  const read = notUp(before.page, await transitionsSince(url, from))

  const made = checksBetween(before.page, after.page)
  const quantile = (q: number) => made[Math.floor(q * (made.length - 1))] ?? Number.NaN
  const perSecond = (after.checks - before.checks) / ((after.at - before.at) / 1000)
  console.log(
    `some ${perSecond.toFixed(0)} checks a second, begun ${latenessMs(before.page, after.page, 0.5).toFixed(0)} ms late (p50)`,
  )
  console.log(
    `checks of a target that answers: ${quantile(0)} to ${quantile(1)}, of nine in ten ${quantile(0.05)} to ${quantile(0.95)}`,
  )
  console.log(`resident ${(memoryOf(pid).now / 1e6).toFixed(0)} MB\n`)
  console.log(
    `checks that found an answering target down: ${verdict(failuresIn(after.page) - failuresIn(before.page), 0, 'at most')}`,
  )
  console.log(`answering targets that were reported down: ${verdict(read.down, 0, 'at most')}`)
  console.log(`answering targets that were reported unknown: ${verdict(read.unknown, 0, 'at most')}`)
  console.log(`most checks of a target against the fewest: ${verdict(quantile(1) / quantile(0), 1.5, 'at most')}`)
  for (const [what, { p50, p99, longest, wrong }] of [
    ['/livez', livez],
    ['/health/{service}', health],
    [`/health of ${targets - targets / silentEvery} services`, set],
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
      const isSilent = i % silentEvery === 0
      const port = isSilent ? dropped : ports[i % ports.length]
      const address = `127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
      return [`service-${i}`, { targets: [`${address}:${port}`], groups: [isSilent ? 'silent' : 'answering'] }]
    }),
  )
  const defaults = { interval: '1s', timeout: '1s' }
  writeFileSync(file, JSON.stringify({ defaults, limits: { services: targets }, services }))
  return file
}

/** Returns how many checks of answering targets found them down, by a metrics page. Faults of Porthole itself do not count. */
function failuresIn(page: string): number {
  const name = 'porthole_target_failures_total'
  return sum(page, name) - sum(page, name, `:${dropped}"`)
}

/**
 * Returns how many answering targets were reported down, and how many unknown, at any time since a metrics page: by that page and by the
 * transitions since.
 */
function notUp(page: string, since: readonly TransitionReport[]): { readonly down: number; readonly unknown: number } {
  const targetsOf = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, target = '']) => target)
  const cameTo = (status: string) => since.filter(({ to }) => to === status).map(({ target }) => target ?? '')
  // A stale status is a fault of Porthole itself, and is reported as such.
  const down = targetsOf(/^porthole_target_down_reason\{.*target="(.*)",reason="(?!local")\w+"\} /gm)
  const unknown = new Set(targetsOf(/^porthole_target_up\{.*target="(.*)"\} 0$/gm)).difference(new Set(down))
  const answering = (targets: Iterable<string>) =>
    new Set(targets)
      .keys()
      .filter((target) => target !== '' && !target.endsWith(`:${dropped}`))
      .toArray().length
  return {
    down: answering([...down, ...cameTo('down')]),
    unknown: answering([...unknown, ...cameTo('unknown')]),
  }
}

/** Returns all transitions since a time of day, the newest first. */
async function transitionsSince(url: string, from: string): Promise<TransitionReport[]> {
  const found: TransitionReport[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const answer = await fetch(`${url}/v1/transitions?from=${from}&limit=1000${cursor && `&cursor=${cursor}`}`)
    if (!answer.ok) throw new Error(`/v1/transitions answers ${answer.status}: ${await answer.text()}`)
    const { transitions, next } = (await answer.json()) as { transitions: TransitionReport[]; next: string | null }
    found.push(...transitions)
    cursor = next
  }
  return found
}

/** Returns how many checks each answering target had between two pages, the fewest first. */
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
