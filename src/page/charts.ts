import type { Verdict } from '../domain/outcome.ts'
import { verdictOf } from '../domain/outcome.ts'
import type { Status } from '../domain/status.ts'
import { type History, pastChecks } from '../monitor/history.ts'
import type { PastCheck } from '../monitor/past-checks.ts'
import type { WatchedTarget } from '../monitor/watch.ts'
import { html, type Markup } from './markup.ts'
import { formatLatency } from './words.ts'

/** One check, or the worst of those that the targets of a service had side by side. */
export type Round = { readonly verdict: Verdict; readonly latencyMs: number | null; readonly synRetransmits: number }

/** The last rounds of some targets, the latest last: as many checks back for each, the worst of them counts. */
export function roundsOf(history: History, targets: readonly WatchedTarget[]): Round[] {
  const rounds: Round[] = []
  for (const target of targets) {
    for (const [back, check] of history.of(target).toReversed().entries()) {
      const before = rounds[back]
      const round = roundOf(check)
      rounds[back] = before === undefined ? round : worseOf(before, round)
    }
  }
  return rounds.reverse()
}

const roundOf = ({ reason, latencyMs, synRetransmits }: PastCheck): Round => ({
  verdict: verdictOf(reason),
  latencyMs: reason === 'connected' ? latencyMs : null,
  // Where nothing answered, that was asked again is no news.
  synRetransmits: reason === 'connected' ? (synRetransmits ?? 0) : 0,
})

function worseOf(one: Round, other: Round): Round {
  const worst = (['down', 'unknown', 'up'] as const).find((verdict) => [one.verdict, other.verdict].includes(verdict))
  const latencies = [one.latencyMs, other.latencyMs].filter((latency) => latency !== null)
  return {
    verdict: worst ?? 'unknown',
    latencyMs: latencies.length === 0 ? null : Math.max(...latencies),
    synRetransmits: Math.max(one.synRetransmits, other.synRetransmits),
  }
}

/** The height of every chart in a row. */
const height = 24
const step = 2
const lowest = 3
const highest = 16
/** Latencies below this look alike: on one's own network they are noise. */
const leastScaleMs = 1

type Bar = readonly [x: number, length: number]

/** Bars from the ground up, as one path of strokes. */
function bars(kind: string, all: readonly Bar[]): Markup | null {
  if (all.length === 0) return null
  return html`<path class="${kind}" d="${all.map(([x, length]) => `M${x} ${height}v-${length}`).join('')}"/>`
}

/** Bars from the top down. */
function icicles(kind: string, all: readonly Bar[]): Markup | null {
  if (all.length === 0) return null
  return html`<path class="${kind}" d="${all.map(([x, length]) => `M${x} 0v${length}`).join('')}"/>`
}

/**
 * The latency of the last rounds, each a bar. One that failed hangs from the top: down to the ground, or to the latency of the
 * targets that did not. One that needed a second SYN has a dot above it, and one of which nothing is known is a stub.
 */
export function sparkline(rounds: readonly Round[]): Markup {
  const clean = rounds.filter(({ synRetransmits }) => synRetransmits === 0).map(({ latencyMs }) => latencyMs ?? 0)
  const scaleMs = Math.max(leastScaleMs, ...clean)
  const [ok, lossy, down, unknown]: [Bar[], Bar[], Bar[], Bar[]] = [[], [], [], []]
  for (const [index, { verdict, latencyMs, synRetransmits }] of rounds.entries()) {
    const x = (pastChecks - rounds.length + index) * step + step / 2
    const share = Math.min(1, (latencyMs ?? 0) / scaleMs)
    const length = Math.round((lowest + (highest - lowest) * share) * 10) / 10
    if (verdict === 'down') down.push([x, latencyMs === null ? height : height - highest])
    if (verdict === 'unknown') unknown.push([x, lowest])
    else if (latencyMs !== null && synRetransmits > 0) lossy.push([x, length])
    else if (latencyMs !== null) ok.push([x, length])
  }
  // A stroke of no length with round ends.
  const dots = lossy.map(([x]) => `M${x} 3h0`).join('')
  return html`<svg class="chart sparkline" viewBox="0 0 ${pastChecks * step} ${height}" role="img" aria-label="${tellRounds(rounds)}">${bars('ok', ok)}${bars('lossy', lossy)}${icicles('down', down)}${bars('unknown', unknown)}${dots !== '' && html`<path class="dot" d="${dots}"/>`}</svg>`
}

function tellRounds(rounds: readonly Round[]): string {
  if (rounds.length === 0) return 'no check yet'
  const latencies = rounds.flatMap(({ latencyMs }) => latencyMs ?? []).sort((a, b) => a - b)
  const failed = rounds.filter(({ verdict }) => verdict === 'down').length
  const lossy = rounds.filter(({ synRetransmits }) => synRetransmits > 0).length
  const median = latencies[latencies.length >> 1]
  const told = [
    median !== undefined &&
      `median latency ${formatLatency(median)}, at most ${formatLatency(latencies.at(-1) ?? median)}`,
    failed > 0 && `${failed} failed`,
    lossy > 0 && `${lossy} needed a second SYN`,
  ].filter((part) => part !== false)
  const last = rounds.length === 1 ? 'last check' : `last ${rounds.length} checks`
  return `${last}: ${told.join(', ') || 'nothing is known of them'}`
}

/** How high a slice of the day stands: what is wrong is higher than what is well, so that a quiet day is a low, even line. */
const sliceTops: Readonly<Record<Status, number>> = { up: 10, degraded: 17, down: height, unknown: 2 }
const sliceStep = 3

/** The worst status of every slice of the last day, each a bar. */
export function strip(slices: readonly Status[], label: string): Markup {
  const paths = (['up', 'degraded', 'down', 'unknown'] as const).map((status) => {
    const tops = slices.flatMap((slice, index) =>
      slice === status ? [[index * sliceStep + sliceStep / 2, sliceTops[status]] as const] : [],
    )
    return bars(status, tops)
  })
  return html`<svg class="chart strip" viewBox="0 0 ${slices.length * sliceStep} ${height}" preserveAspectRatio="none" role="img" aria-label="${label}">${paths.filter((path) => path !== null)}</svg>`
}
