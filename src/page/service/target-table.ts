import { advise } from '../../domain/check/advice.ts'
import { worstFirst } from '../../domain/health/status.ts'
import { effectiveTargetStatus, explainTarget, type ServiceState, type TargetState } from '../../monitor/state/state.ts'
import { roundsOf, sparkline } from '../parts/charts.ts'
import { formatLatency } from '../parts/format.ts'
import { html, type Markup } from '../parts/markup.ts'
import { statusShape } from '../parts/status-icons.ts'
import { table } from '../parts/table.ts'
import { ageOf, type View } from '../parts/view.ts'

type Reading = {
  readonly target: TargetState
  readonly reads: { readonly status: 'up' | 'down' | 'unknown'; readonly since: number | null }
}

const columns = ['Target', 'Status', 'Last check', 'Latency', 'Last 60 checks', 'SYNs sent again', 'In a row']

/** Renders the table of a service's targets, the worst first. */
export function targetTable({ targets }: ServiceState, view: View): Markup {
  const readings = targets
    .map((target) => ({ target, reads: effectiveTargetStatus(target, view.now) }))
    .sort((a, b) => worstFirst.indexOf(a.reads.status) - worstFirst.indexOf(b.reads.status))
  const rows = readings.map((reading) => targetRow(reading, view))
  return table('Table of targets', columns, rows, 'targets')
}

function targetRow({ target: state, reads }: Reading, view: View): Markup {
  const { target, health, serviceState } = state
  const { policy } = serviceState.service
  const { lastOutcome } = health
  const { address = null, latencyMs = null, synRetransmits = null } = lastOutcome ?? {}
  const advice = advise(policy, lastOutcome, state, view.now)
  return html`<tr role="row" data-key="${target.name}" data-status="${reads.status}">
<td role="cell"><span class="target">${target.name}</span>${address !== null && address !== target.name && html`<br><small>${address}</small>`}${target.resolvedFrom !== null && html`<br><small>from ${target.resolvedFrom}</small>`}</td>
<td role="cell"><span class="status">${statusShape(reads.status)}${reads.status}</span>${ageOf(reads.since, view, 'for')}</td>
<td role="cell"><p class="sentence">${lastOutcome !== null && html`<b>${lastOutcome.reason}</b> `}${explainTarget(state, view.now)}</p>${advice !== null && html`<p class="sentence"><small>${advice}</small></p>`}${ageOf(lastOutcome?.endedAt ?? null, view, 'ago')}</td>
<td role="cell" class="number" data-label="Latency">${latencyMs === null ? '–' : formatLatency(latencyMs)}</td>
<td role="cell">${sparkline(roundsOf(view.history, [state]))}</td>
<td role="cell" class="number" data-label="SYNs sent again">${synRetransmits ?? '–'} <small>${state.synRetransmits} in all</small></td>
<td role="cell" class="number" data-label="In a row">${describeStreak(state, reads.status)}</td>
</tr>`
}

/** Formats the streak: how many equal verdicts came in a row, and how many of them change the status. */
function describeStreak({ health: { streak }, serviceState }: TargetState, status: string): string {
  const { rise, fall } = serviceState.service.policy
  if (streak === null) return '–'
  const { verdict, count } = streak
  if (verdict === status || status === 'unknown') return `${count} ${verdict}`
  return `${count} of ${verdict === 'up' ? rise : fall} to ${verdict}`
}
