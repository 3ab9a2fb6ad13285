import { type ReportedStatus, worstFirst } from '../../domain/health/status.ts'
import { missingServices } from '../../http/services/registry-pending.ts'
import { chooserOf } from '../../http/services/service-list.ts'
import type { TimeSlice } from '../../runtime/time-slices.ts'
import { headlineOf, sentenceOf, statusOfPage } from '../parts/format.ts'
import { html, type Markup } from '../parts/markup.ts'
import { statusShape } from '../parts/status-icons.ts'
import { ageOf, type View } from '../parts/view.ts'
import type { Entry, GroupEntry, Overview } from './overview.ts'
import { groupQuery, type OverviewQuery, queryForMore, writeQuery } from './page-query.ts'
import { serviceRow } from './service-row.ts'

/** How many groups are shown at first. Further groups are in a collapsed list. */
const groupsFirst = 12

/** How many groups are listed, besides those that the query names. Otherwise the page would grow with the number of groups. */
const groupsListed = 200

/** The work of matching the names of a service, where looking at a service is 1. */
const workPerMatch = 3

/** The services that match a query: their number, and those that the page shows. */
export type Chosen = { readonly count: number; readonly shown: readonly Entry[] }

/** Selects the services that match a query. Without `details` the search ignores targets. */
export async function chooseEntries(
  { services }: Overview,
  query: OverviewQuery,
  details: boolean,
  slice: TimeSlice,
): Promise<Chosen> {
  const { q, group, status, show } = query
  if ((q ?? group ?? status) === undefined) return { count: services.length, shown: services.slice(0, show) }
  const isAsked = chooserOf(query, details)
  const shown: Entry[] = []
  let count = 0
  for (const entry of services) {
    if (slice.mustYield(workPerMatch)) await slice.yield()
    if (status?.has(entry.status) === false || !isAsked(entry.state)) continue
    count++
    if (shown.length < show) shown.push(entry)
  }
  return { count, shown }
}

/** Yields the page of all services in chunks. Each row is a chunk of its own, because the list may be long. */
export function* overviewPage(overview: Overview, chosen: Chosen, query: OverviewQuery, view: View): Generator<Markup> {
  const { counts, checkedAt, isSolo, pending } = overview
  const status = statusOfPage(overview)
  const total = overview.services.length
  yield html`<section class="headline" data-part="headline" data-status="${status}">
<h1>${statusShape(status)}<span>${headlineOf(counts, pending !== null)}</span></h1>
<p>${checkedAt === null ? (total === 0 ? '' : 'not checked yet') : html`checked ${ageOf(checkedAt, view, 'ago')}`}</p>
</section>
<div data-part="notices">${isSolo && html`<p class="notice"><b>Solo</b> This replica cannot reach the others and checks everything itself. The others may report another status.</p>`}${pending !== null && html`<p class="notice"><b>Incomplete</b> ${sentenceOf(missingServices(pending, view.details))}</p>`}</div>
${total === 0 && pending === null && html`<div data-part="empty" class="empty"><p>There are no services. Write some into <code>porthole.yaml</code>, or register one:</p><pre><code>curl -X PUT -H "Authorization: Bearer $PORTHOLE_TOKEN" --json '{"targets":["127.0.0.1:5432"]}' localhost:8080/v1/services/postgres</code></pre></div>`}
${groupList(overview.groups, query, view)}
${filters(overview, query, view)}
<section aria-labelledby="services-title">
<h2 id="services-title">Services <span data-part="shown" class="shown">${describeShown(chosen.count, total)}</span></h2>
<div class="columns" aria-hidden="true"><span>Service</span><span>Status</span><span>Targets</span><span>Latency, last 60 checks</span><span>Last 24 h, uptime</span></div>
<ul class="services" data-part="services" data-list>
`
  for (const entry of chosen.shown) yield serviceRow(entry, view)
  yield html`</ul>
${more(chosen, query, view)}
</section>`
}

function describeShown(shown: number, total: number): string {
  return shown === total ? `${total}` : `${shown} of ${total}`
}

function more({ count }: Chosen, query: OverviewQuery, view: View): Markup {
  const left = count - query.show
  const none = count === 0 && (query.q ?? query.status ?? query.group) !== undefined
  const next = queryForMore(query)
  const link = next !== null && html`<a href="${view.root}${writeQuery(next)}" data-more>Show more</a> `
  return html`<p data-part="more" class="more">${none && html`No service matches. <a href="${view.root}">Show all</a>`}${left > 0 && html`${link}<span>${left} not shown${next === null && ': narrow the search'}</span>`}</p>`
}

function groupList(groups: readonly GroupEntry[], query: OverviewQuery, { root }: View): Markup | null {
  if (groups.length === 0) return null
  const first = groups.slice(0, groupsFirst)
  const listed = groups.slice(groupsFirst, groupsListed)
  const others = [...listed, ...groups.slice(groupsListed).filter(({ name }) => query.group?.has(name))]
  const unlisted = groups.length - first.length - others.length
  const list = (some: readonly GroupEntry[], part: string) =>
    html`<ul class="groups" data-part="${part}" data-list>${some.map((group) => groupChip(group, query, root))}</ul>`
  return html`<nav aria-labelledby="groups-title">
<h2 id="groups-title">Groups</h2>
${list(first, 'groups')}
${others.length > 0 && html`<details><summary>${others.length === 1 ? 'One more group' : `${others.length + unlisted} more groups`}</summary>${list(others, 'other-groups')}${unlisted > 0 && html`<p>${unlisted} more are not listed: write <code>?group=</code> and a name into the address.</p>`}</details>`}
</nav>`
}

function groupChip({ name, status, quorum, counts }: GroupEntry, query: OverviewQuery, root: string): Markup {
  const isChosen = query.group?.has(name) ?? false
  const inService = counts.up + counts.degraded + counts.down + counts.unknown
  const works = counts.up + counts.degraded
  return html`<li data-key="${name}"><a class="group" data-filter data-status="${status}" href="${root}${isChosen ? '' : groupQuery(name)}"${isChosen && html` aria-current="true"`} title="quorum ${String(quorum)}">${statusShape(status)}<span>${name}</span> <small><span class="word">${status}</span> ${works}/${inService}</small></a></li>`
}

function filters({ counts }: Overview, query: OverviewQuery, { root }: View): Markup {
  const { q = '', status, group = [] } = query
  const box = (one: ReportedStatus) =>
    html`<label data-status="${one}"><input type="checkbox" name="status" value="${one}"${status?.has(one) === true && html` checked`}>${statusShape(one)}<span>${one}</span> <small data-part="count-${one}">${counts[one]}</small></label>`
  return html`<form role="search" method="get" action="${root}" id="filters">
<span class="search"><input type="search" name="q" value="${q}" placeholder="Search services and targets" aria-label="Search services and targets" aria-keyshortcuts="/" autocomplete="off" autocapitalize="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></span>
<fieldset><legend>Status</legend>${worstFirst.map(box)}</fieldset>
<span data-part="chosen-groups">${Array.from(group, (name) => html`<input type="hidden" name="group" value="${name}">`)}</span>
<button type="submit">Show</button>
</form>`
}
