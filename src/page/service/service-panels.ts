import { verdictOf } from '../../domain/check/outcome.ts'
import type { LoggedTransition } from '../../domain/health/transition.ts'
import { reportUptime, type UptimeReport } from '../../http/services/transition-reports.ts'
import type { ServiceState } from '../../monitor/state/state.ts'
import { formatUptime } from '../badge/badge.ts'
import { formatAge } from '../parts/format.ts'
import { html, type Markup } from '../parts/markup.ts'
import { statusShape } from '../parts/status-icons.ts'
import { table } from '../parts/table.ts'
import { ageOf, type View } from '../parts/view.ts'
import { uptimeStripOf } from './uptime-strip.ts'

/** How many targets the chart shows, and how many transitions the list. */
const plotted = 8
const transitionsShown = 50

/** Renders the panel of the latency chart. A script draws the chart in the browser from `data-checks`. */
export function latencyPanel({ targets }: ServiceState, { history, clock }: View): Markup {
  const checks = targets.slice(0, plotted).map((state) => {
    const past = history.of(state)
    return {
      target: state.target.name,
      at: past.map(({ at }) => Math.round(clock.toEpoch(at) / 100) / 10),
      latencyMs: past.map(({ reason, latencyMs }) => (verdictOf(reason) === 'up' ? latencyMs : null)),
      verdicts: past.map(({ reason }) => verdictOf(reason)),
      synRetransmits: past.map(({ synRetransmits }) => synRetransmits ?? 0),
    }
  })
  return html`<section class="panel" id="latency" aria-labelledby="latency-title">
<h2 id="latency-title">Latency of the last 60 checks</h2>
<p>The time from SYN to SYN-ACK. A cross is a failed check, a triangle a check that needed a second SYN, a ring a check with the verdict unknown.${targets.length > plotted && ` Only the first ${plotted} targets are shown.`}</p>
<div data-checks="${JSON.stringify(checks)}" data-part="checks"></div>
<div id="plot"><noscript>A script draws the chart. The table above has the same checks.</noscript></div>
</section>`
}

/** Renders the panel with the uptime strip of the last 24 hours and the uptimes of all windows. */
export function uptimePanel(state: ServiceState, view: View): Markup {
  const { windows } = reportUptime(state, view.log, view.clock)
  const { strip } = uptimeStripOf(state, view.log, view.clock)
  return html`<section class="panel" aria-labelledby="day-title">
<h2 id="day-title">Last 24 hours and uptime</h2>
<p>The worst status of every half hour; a higher bar is worse. Uptime leaves out time of unknown status.</p>
<div data-part="day" class="wide">${strip}<p class="windows">${windows.map(uptimeIn)}</p></div>
</section>`
}

/** Renders the uptime of a window. Adds how much of the window is known where more than a minute is unknown. */
function uptimeIn({ window, uptime, upMs, downMs, unknownMs }: UptimeReport['windows'][number]): Markup {
  const known = unknownMs > 60_000 && uptime !== null && html` <small>of the known ${formatAge(upMs + downMs)}</small>`
  return html`<span>${window} <b>${formatUptime(uptime)}</b>${known}</span> `
}

/** Renders the latest transitions of a service and its targets. */
export function transitionPanel(name: string, view: View): Markup {
  const rows = view.log.find({ service: name, limit: transitionsShown }).map((entry) => transitionRow(entry, view))
  return html`<section class="panel" aria-labelledby="transitions-title">
<h2 id="transitions-title">Transitions</h2>
<div data-part="transitions">${
    rows.length === 0
      ? html`<p>No transition is stored.</p>`
      : table('Table of transitions', ['When', 'Service or target', 'Change', 'Why'], rows, null)
  }</div>
</section>`
}

function transitionRow({ at, target, from, to, message }: LoggedTransition, view: View): Markup {
  return html`<tr role="row" data-status="${to}"><td role="cell" class="number">${ageOf(at, view, 'ago')}</td><td role="cell">${target ?? html`<b>service</b>`}</td><td role="cell" class="number"><span class="status">${statusShape(to)}${to}</span><small>was ${from}</small></td><td role="cell"><p class="sentence">${message}</p></td></tr>`
}
