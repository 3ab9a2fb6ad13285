import { effectiveTargetStatus, explainTarget } from '../../monitor/state/state.ts'
import { roundsOf, sparkline } from '../parts/charts.ts'
import { describeExpiry, formatLatency } from '../parts/format.ts'
import { serviceLink } from '../parts/links.ts'
import { html, type Markup } from '../parts/markup.ts'
import { statusShape } from '../parts/status-icons.ts'
import { ageOf, type View } from '../parts/view.ts'
import { uptimeStripOf } from '../service/uptime-strip.ts'
import type { Entry } from './overview.ts'

/** How many sentences at most explain why a service is not up. */
const sentences = 2

/** How many of its groups the row of a service shows. */
const tags = 8

/** Renders the row of a service in the list. */
export function serviceRow({ state, current, status }: Entry, view: View): Markup {
  const { name, groups } = state.service
  const { strip, uptime } = uptimeStripOf(state, view.log, view.clock)
  const rounds = view.details ? roundsOf(view.history, state.targets) : []
  const latency = rounds.findLast(({ latencyMs }) => latencyMs !== null)?.latencyMs ?? null
  return html`<li class="service" data-key="${name}" data-status="${status}">
<div class="name"><a href="${serviceLink(view.root, name)}">${statusShape(status)}<span>${name}</span></a>${groups.slice(0, tags).map((group) => html`<span class="tag">${group}</span>`)}${groups.length > tags && html`<span class="tag">${groups.length - tags} more</span>`}</div>
<div class="state"><b>${status}</b> ${ageOf(current.since, view, 'for')}</div>
<div class="up">${current.counts.up}/${state.targets.length}<span class="unit"> up</span></div>
<div class="latency">${view.details && html`${sparkline(rounds)}<span>${latency === null ? '–' : formatLatency(latency)}</span>`}</div>
<div class="day">${strip}<span>${uptime ?? '–'}</span></div>
${status !== 'up' && reasons({ state, current, status }, view)}</li>
`
}

/** Renders why a service is not up, from the explanations of its targets. Returns null where there is nothing to explain. */
function reasons({ state, status }: Entry, view: View): Markup | null {
  const drained = status === 'draining' && html`<span>taken out of service by its operator</span>`
  const expiry = describeExpiry(state.service, view.details)
  const expired = expiry !== null && html`<span>${expiry}</span>`
  const faults = view.details
    ? state.targets.filter((target) => effectiveTargetStatus(target, view.now).status !== 'up')
    : []
  if (faults.length === 0 && drained === false && expired === false) return null
  const sentencesShown = faults.slice(0, sentences).map((fault) => {
    const sentence = explainTarget(fault, view.now)
    const { name } = fault.target
    return html`<span>${!sentence.includes(name) && html`<b>${name}</b> `}${sentence}</span>`
  })
  const more = faults.length - sentencesShown.length
  return html`<p class="why">${drained}${expired}${sentencesShown}${more > 0 && html`<span>and ${more} more</span>`}</p>`
}
