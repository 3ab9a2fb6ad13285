import type { Verdict } from '../../domain/check/outcome.ts'
import { verdictOf } from '../../domain/check/outcome.ts'
import type { Status } from '../../domain/health/status.ts'
import type { PastCheck } from '../../monitor/state/check-ring.ts'
import { checksPerRing, type History } from '../../monitor/state/history.ts'
import type { TargetState } from '../../monitor/state/state.ts'
import { formatLatency } from './format.ts'
import { html, type Markup } from './markup.ts'

/** One check of a target, or the combined checks of all targets of a service. `latencyMs` is null where no target was up. */
export type Round = { readonly verdict: Verdict; readonly latencyMs: number | null; readonly synRetransmits: number }

/**
 * Returns the last rounds of some targets, the latest last. A round combines the checks that are equally many checks back for each
 * target: the worst verdict, the longest latency and the most retransmissions.
 */
export function roundsOf(history: History, targets: readonly TargetState[]): Round[] {
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

function roundOf({ reason, latencyMs, synRetransmits }: PastCheck): Round {
  const verdict = verdictOf(reason)
  // Latency and retransmissions are shown only for checks that are up, because a failed check is shown as failed anyway.
  return verdict === 'up'
    ? { verdict, latencyMs, synRetransmits: synRetransmits ?? 0 }
    : { verdict, latencyMs: null, synRetransmits: 0 }
}

function worseOf(one: Round, other: Round): Round {
  const worst = (['down', 'unknown', 'up'] as const).find((verdict) => [one.verdict, other.verdict].includes(verdict))
  const latencies = [one.latencyMs, other.latencyMs].filter((latency) => latency !== null)
  return {
    verdict: worst ?? 'unknown',
    latencyMs: latencies.length === 0 ? null : Math.max(...latencies),
    synRetransmits: Math.max(one.synRetransmits, other.synRetransmits),
  }
}

/** The height of every chart in a row, in units of its view box. */
const height = 24
const step = 2
const lowest = 3
const highest = 16
/** The scale of latencies reaches to at least 1 ms, because differences below that are noise on a local network. */
const leastScaleMs = 1

type Bar = readonly [x: number, length: number]

/** Draws bars upward from the bottom, as one path of strokes. */
function bars(kind: string, all: readonly Bar[]): Markup | null {
  if (all.length === 0) return null
  return html`<path class="${kind}" d="${all.map(([x, length]) => `M${x} ${height}v-${length}`).join('')}"/>`
}

/** Draws bars downward from the top. */
function hangingBars(kind: string, all: readonly Bar[]): Markup | null {
  if (all.length === 0) return null
  return html`<path class="${kind}" d="${all.map(([x, length]) => `M${x} 0v${length}`).join('')}"/>`
}

/**
 * Draws the latency of the last rounds, one bar for each. The bar of a failed round hangs from the top, and reaches the bottom unless
 * other targets connected. A dot marks a round that needed a second SYN. A stub is a round with the verdict unknown.
 */
export function sparkline(rounds: readonly Round[]): Markup {
  const clean = rounds.filter(({ synRetransmits }) => synRetransmits === 0).map(({ latencyMs }) => latencyMs ?? 0)
  const scaleMs = Math.max(leastScaleMs, ...clean)
  const [ok, lossy, down, unknown]: [Bar[], Bar[], Bar[], Bar[]] = [[], [], [], []]
  for (const [index, { verdict, latencyMs, synRetransmits }] of rounds.entries()) {
    const x = (checksPerRing - rounds.length + index) * step + step / 2
    const share = Math.min(1, (latencyMs ?? 0) / scaleMs)
    const length = Math.round((lowest + (highest - lowest) * share) * 10) / 10
    if (verdict === 'down') down.push([x, latencyMs === null ? height : height - highest])
    if (verdict === 'unknown') unknown.push([x, lowest])
    else if (latencyMs !== null && synRetransmits > 0) lossy.push([x, length])
    else if (latencyMs !== null) ok.push([x, length])
  }
  // A stroke of length 0 with round ends is a dot.
  const dots = lossy.map(([x]) => `M${x} 3h0`).join('')
  return html`<svg class="chart sparkline" viewBox="0 0 ${checksPerRing * step} ${height}" role="img" aria-label="${describeRounds(rounds)}">${bars('ok', ok)}${bars('lossy', lossy)}${hangingBars('down', down)}${bars('unknown', unknown)}${dots !== '' && html`<path class="dot" d="${dots}"/>`}</svg>`
}

function describeRounds(rounds: readonly Round[]): string {
  if (rounds.length === 0) return 'no check yet'
  const latencies = rounds.flatMap(({ latencyMs }) => latencyMs ?? []).sort((a, b) => a - b)
  const failed = rounds.filter(({ verdict }) => verdict === 'down').length
  const lossy = rounds.filter(({ synRetransmits }) => synRetransmits > 0).length
  const median = latencies[latencies.length >> 1]
  const parts = [
    median !== undefined &&
      `median latency ${formatLatency(median)}, at most ${formatLatency(latencies.at(-1) ?? median)}`,
    failed > 0 && `${failed} failed`,
    lossy > 0 && `${lossy} needed a second SYN`,
  ].filter((part) => part !== false)
  const last = rounds.length === 1 ? 'last check' : `last ${rounds.length} checks`
  return `${last}: ${parts.join(', ') || 'unknown'}`
}

/** The height of a half hour by its status. A worse status is higher, so that a day without faults is a low, even line. */
const sliceTops: Readonly<Record<Status, number>> = { up: 10, degraded: 17, down: height, unknown: 2 }
const sliceStep = 3

/** Draws the uptime strip: a bar for the status of each half hour. `label` describes the strip to screen readers. */
export function strip(slices: readonly Status[], label: string): Markup {
  const paths = (['up', 'degraded', 'down', 'unknown'] as const).map((status) => {
    const tops = slices.flatMap((slice, index) =>
      slice === status ? [[index * sliceStep + sliceStep / 2, sliceTops[status]] as const] : [],
    )
    return bars(status, tops)
  })
  return html`<svg class="chart strip" viewBox="0 0 ${slices.length * sliceStep} ${height}" preserveAspectRatio="none" role="img" aria-label="${label}">${paths.filter((path) => path !== null)}</svg>`
}
