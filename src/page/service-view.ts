import { advise } from '../domain/advice.ts'
import { formatDuration } from '../domain/duration.ts'
import { explain } from '../domain/explanation.ts'
import { statusAt } from '../domain/health.ts'
import { type ReportedStatus, worstFirst } from '../domain/status.ts'
import { reportedStatus } from '../http/reports.ts'
import { reportUptime, type UptimeReport } from '../http/transition-reports.ts'
import type { LoggedTransition } from '../monitor/transition-log.ts'
import { standingOf, type WatchedService, type WatchedTarget } from '../monitor/watch.ts'
import { formatUptime } from './badge.ts'
import { roundsOf, sparkline } from './charts.ts'
import { copies } from './copies.ts'
import { dayOf } from './day.ts'
import { html, type Markup } from './markup.ts'
import { statusShape } from './shapes.ts'
import { ageOf, type View } from './view.ts'
import { formatAge, formatLatency } from './words.ts'

/** How many targets the chart shows, and how many changes the list. */
const plotted = 8
const transitionsShown = 50

/** The page of one service, and how it stands. */
export function servicePage(
  watched: WatchedService,
  view: View,
  { origin }: { origin: string },
): { status: ReportedStatus; main: Markup } {
  const { name, policy } = watched.service
  const standing = standingOf(watched, view.now)
  const status = reportedStatus(watched, standing)
  const targets = watched.targets
    .map((target) => ({ target, reads: statusAt(target.health, policy, view.now) }))
    .sort((a, b) => worstFirst.indexOf(a.reads.status) - worstFirst.indexOf(b.reads.status))
  const main = html`<nav class="back"><a href="${view.root}">All services</a></nav>
<section class="headline" data-part="headline" data-status="${status}">
<h1>${statusShape(status)}<span>${name}</span></h1>
<p><b>${status}</b> ${ageOf(standing.since, view, 'for')}</p>
</section>
<div data-part="notices">${watched.drained && html`<p class="notice"><b>Draining</b> Taken out of service by its operator. Its targets are checked all the same.</p>`}${watched.checkedBy?.solo === true && html`<p class="notice"><b>Solo</b> This replica cannot reach the others and checks everything itself, so they may see it otherwise.</p>`}</div>
${facts(watched, view)}
<section class="panel" aria-labelledby="targets-title">
<h2 id="targets-title">Targets</h2>
${view.details ? targetTable(targets, view) : html`<p data-part="hidden-targets">Targets, addresses and sentences are for who sends a token.</p>`}
</section>
${
  view.details &&
  latencyPanel(
    targets.map(({ target }) => target),
    view,
  )
}
${dayPanel(watched, view)}
${view.details && transitionPanel(name, view)}
<section class="panel" aria-labelledby="copy-title">
<h2 id="copy-title">To copy</h2>
<div class="copies" data-origin="${origin}">${copies(name, origin).map(({ title, text }) => html`<div class="copy"><h3>${title}</h3><pre tabindex="0"><code>${text}</code></pre></div>`)}</div>
</section>`
  return { status, main }
}

/** What is said of a name that nothing is registered under. */
export function missingPage(name: string, { root }: View): Markup {
  return html`<section class="headline" data-part="headline" data-status="unknown">
<h1>${statusShape('unknown')}<span>${name}</span></h1><p>not registered</p></section>
<p data-part="missing">No service has this name, or it has it no longer. <a href="${root}">All services</a></p>`
}

function facts({ service, targets, checkedBy }: WatchedService, view: View): Markup {
  const { quorum, groups, policy } = service
  const up = targets.filter(({ health }) => statusAt(health, policy, view.now).status === 'up').length
  const all: (readonly [string, Markup | string])[] = [
    ['Targets up', `${up} of ${targets.length}`],
    ['Quorum', String(quorum)],
    ['Interval', policy.intervalMs === null ? 'only when asked' : formatDuration(policy.intervalMs)],
    ['Timeout', formatDuration(policy.timeoutMs)],
    ['Rise, fall', `${policy.rise}, ${policy.fall}`],
    ...(groups.length === 0
      ? []
      : [
          [
            'Groups',
            html`${groups.map((group) => html`<a href="${view.root}?group=${encodeURIComponent(group)}">${group}</a> `)}`,
          ] as const,
        ]),
    ...(checkedBy === null || !view.details ? [] : [['Checked by', checkedBy.replica] as const]),
  ]
  return html`<dl class="facts" data-part="facts">${all.map(([term, fact]) => html`<div><dt>${term}</dt><dd>${fact}</dd></div>`)}</dl>`
}

type Reading = {
  readonly target: WatchedTarget
  readonly reads: { readonly status: 'up' | 'down' | 'unknown'; readonly since: number | null }
}

function targetTable(targets: readonly Reading[], view: View): Markup {
  return html`<div class="scroll cards" tabindex="0" role="region" aria-label="Table of targets"><table role="table">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Target</th><th scope="col" role="columnheader">Status</th><th scope="col" role="columnheader">What the last check found</th><th scope="col" role="columnheader">Latency</th><th scope="col" role="columnheader">Last 60 checks</th><th scope="col" role="columnheader">SYNs sent&nbsp;again</th><th scope="col" role="columnheader">In a row</th></tr></thead>
<tbody role="rowgroup" data-part="targets" data-list>${targets.map((reading) => targetRow(reading, view))}</tbody>
</table></div>`
}

function targetRow({ target: watched, reads }: Reading, view: View): Markup {
  const { target, health, lossAt, watchedService } = watched
  const { policy } = watchedService.service
  const { lastOutcome } = health
  const address = lastOutcome?.address ?? null
  const advice = advise(policy, lossAt, view.now)
  return html`<tr role="row" data-key="${target.name}" data-status="${reads.status}">
<td role="cell"><span class="target">${target.name}</span>${address !== null && address !== target.name && html`<br><small>${address}</small>`}${target.resolvedFrom !== null && html`<br><small>of ${target.resolvedFrom}</small>`}</td>
<td role="cell"><span class="status">${statusShape(reads.status)}${reads.status}</span>${ageOf(reads.since, view, 'for')}</td>
<td role="cell"><p class="sentence">${lastOutcome !== null && html`<b>${lastOutcome.reason}</b> `}${explain(health, policy, target, view.now)}</p>${advice !== null && html`<p class="sentence"><small>${advice}</small></p>`}${ageOf(lastOutcome?.endedAt ?? null, view, 'ago')}</td>
<td role="cell" class="number" data-label="Latency">${lastOutcome?.latencyMs == null ? '–' : formatLatency(lastOutcome.latencyMs)}</td>
<td role="cell">${sparkline(roundsOf(view.history, [watched]))}</td>
<td role="cell" class="number" data-label="SYNs sent again">${lastOutcome?.synRetransmits ?? '–'} <small>${watched.synRetransmits} in all</small></td>
<td role="cell" class="number" data-label="In a row">${tellStreak(watched, reads.status)}</td>
</tr>`
}

/** How far the verdicts in a row have come toward another status. */
function tellStreak({ health: { streak }, watchedService }: WatchedTarget, status: string): string {
  const { rise, fall } = watchedService.service.policy
  if (streak === null) return '–'
  const { verdict, count } = streak
  if (verdict === status || status === 'unknown') return `${count} ${verdict}`
  return `${count} of ${verdict === 'up' ? rise : fall} to ${verdict}`
}

function latencyPanel(targets: readonly WatchedTarget[], { history, clock }: View): Markup {
  const checks = targets.slice(0, plotted).map((watched) => {
    const past = history.of(watched)
    return {
      target: watched.target.name,
      at: past.map(({ at }) => Math.round(clock.toEpoch(at) / 100) / 10),
      latencyMs: past.map(({ reason, latencyMs }) => (reason === 'connected' ? latencyMs : null)),
      reasons: past.map(({ reason }) => reason),
      synRetransmits: past.map(({ synRetransmits }) => synRetransmits ?? 0),
    }
  })
  return html`<section class="panel" id="latency" aria-labelledby="latency-title">
<h2 id="latency-title">Latency of the last 60 checks</h2>
<p>From SYN to SYN-ACK. A cross is a check that failed, a triangle one that needed a second SYN.${targets.length > plotted && ` The first ${plotted} targets.`}</p>
<div class="plot" data-checks="${JSON.stringify(checks)}" data-part="checks"></div>
<div id="plot"><noscript>The chart is drawn by a script; the table above has the same checks.</noscript></div>
</section>`
}

function dayPanel(watched: WatchedService, view: View): Markup {
  const { windows } = reportUptime(watched, view.log, view.clock)
  const { strip } = dayOf(watched, view.log, view.clock)
  return html`<section class="panel" aria-labelledby="day-title">
<h2 id="day-title">Last 24 hours and uptime</h2>
<p>The worst status of every half hour: the higher, the worse. Uptime leaves out what is unknown.</p>
<div data-part="day" class="wide">${strip}<p class="windows">${windows.map(uptimeIn)}</p></div>
</section>`
}

/** The uptime in a window, and of how much of it that is if not of all. */
function uptimeIn({ window, uptime, upMs, downMs, unknownMs }: UptimeReport['windows'][number]): Markup {
  const known =
    unknownMs > 60_000 && uptime !== null && html` <small>of the ${formatAge(upMs + downMs)} that are known</small>`
  return html`<span>${window} <b>${formatUptime(uptime)}</b>${known}</span> `
}

function transitionPanel(name: string, view: View): Markup {
  const transitions = view.log.find({ service: name, limit: transitionsShown })
  return html`<section class="panel" aria-labelledby="transitions-title">
<h2 id="transitions-title">What happened</h2>
<div data-part="transitions">${
    transitions.length === 0
      ? html`<p>No change of status is remembered.</p>`
      : html`<div class="scroll cards" tabindex="0" role="region" aria-label="Table of what happened"><table role="table">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">When</th><th scope="col" role="columnheader">What</th><th scope="col" role="columnheader">Change</th><th scope="col" role="columnheader">Why</th></tr></thead>
<tbody role="rowgroup">${transitions.map((transition) => transitionRow(transition, view))}</tbody></table></div>`
  }</div>
</section>`
}

function transitionRow({ at, target, from, to, message }: LoggedTransition, view: View): Markup {
  return html`<tr role="row" data-status="${to}"><td role="cell" class="number">${ageOf(at, view, 'ago')}</td><td role="cell">${target ?? html`<b>service</b>`}</td><td role="cell" class="number"><span class="status">${statusShape(to)}${to}</span><small>was ${from}</small></td><td role="cell"><p class="sentence">${message}</p></td></tr>`
}
