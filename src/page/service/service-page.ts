import type { ReportedStatus } from '../../domain/health/status.ts'
import { formatDuration } from '../../domain/values/duration.ts'
import { reportedStatus } from '../../http/health/reports.ts'
import { missingServices } from '../../http/services/registry-pending.ts'
import { currentStatusOf, effectiveTargetStatus, type ServiceState } from '../../monitor/state/state.ts'
import { describeExpiry, sentenceOf } from '../parts/format.ts'
import { html, type Markup } from '../parts/markup.ts'
import { statusShape } from '../parts/status-icons.ts'
import { ageOf, type View } from '../parts/view.ts'
import { latencyPanel, transitionPanel, uptimePanel } from './service-panels.ts'
import { snippets } from './snippets.ts'
import { targetTable } from './target-table.ts'

/** Renders the page of one service, and returns the service's status with it. */
export function servicePage(
  state: ServiceState,
  view: View,
  { origin, port }: { origin: string; port: number },
): { status: ReportedStatus; main: Markup } {
  const { name } = state.service
  const current = currentStatusOf(state, view.now)
  const status = reportedStatus(state, current.status)
  const expiry = describeExpiry(state.service, view.details)
  const main = html`<nav class="back"><a href="${view.root}">All services</a></nav>
<section class="headline" data-part="headline" data-status="${status}">
<h1>${statusShape(status)}<span>${name}</span></h1>
<p><b>${status}</b> ${ageOf(current.since, view, 'for')}</p>
</section>
<div data-part="notices">${state.drained && html`<p class="notice"><b>Draining</b> Taken out of service by its operator. Its targets are still checked.</p>`}${expiry !== null && html`<p class="notice"><b>Expired</b> The service is down, even if its targets are up: ${expiry}.</p>`}${state.checkedBy?.solo === true && html`<p class="notice"><b>Solo</b> This replica cannot reach the others and checks everything itself. The others may report another status.</p>`}</div>
${facts(state, view)}
<section class="panel" aria-labelledby="targets-title">
<h2 id="targets-title">Targets</h2>
${view.details ? targetTable(state, view) : html`<p data-part="hidden-targets">Send a token to see targets, addresses and sentences.</p>`}
</section>
${view.details && latencyPanel(state, view)}
${uptimePanel(state, view)}
${view.details && transitionPanel(name, view)}
<section class="panel" aria-labelledby="copy-title">
<h2 id="copy-title">Snippets to copy</h2>
<div class="copies">${snippets(name, { origin, port }).map(({ title, text, isAddressed = false }) => html`<div class="copy"${isAddressed && html` data-origin="${origin}"`}><h3>${title}</h3><pre tabindex="0"><code>${text}</code></pre></div>`)}</div>
</section>`
  return { status, main }
}

/** Renders the page for a name that no known service has. `pending` is why the registry was not read yet; null once it was. */
export function missingPage(name: string, { root, details }: View, pending: string | null): Markup {
  const sentence =
    pending === null
      ? 'No service has this name. It may have been removed.'
      : sentenceOf(missingServices(pending, details))
  return html`<section class="headline" data-part="headline" data-status="unknown">
<h1>${statusShape('unknown')}<span>${name}</span></h1><p>${pending === null ? 'not registered' : 'not known yet'}</p></section>
<p data-part="missing">${sentence} <a href="${root}">All services</a></p>`
}

function facts({ service, targets, checkedBy }: ServiceState, view: View): Markup {
  const { quorum, groups, policy } = service
  const up = targets.filter((target) => effectiveTargetStatus(target, view.now).status === 'up').length
  const links = html`${groups.map((group) => html`<a href="${view.root}?group=${encodeURIComponent(group)}">${group}</a> `)}`
  const all: (readonly [string, Markup | string])[] = [
    ['Targets up', `${up} of ${targets.length}`],
    ['Quorum', String(quorum)],
    ['Interval', policy.intervalMs === null ? 'only on request' : formatDuration(policy.intervalMs)],
    ['Timeout', formatDuration(policy.timeoutMs)],
    ['Rise, fall', `${policy.rise}, ${policy.fall}`],
    ...(groups.length === 0 ? [] : [['Groups', links] as const]),
    ...(checkedBy === null || !view.details ? [] : [['Checked by', checkedBy.replica] as const]),
  ]
  return html`<dl class="facts" data-part="facts">${all.map(([term, fact]) => html`<div><dt>${term}</dt><dd>${fact}</dd></div>`)}</dl>`
}
