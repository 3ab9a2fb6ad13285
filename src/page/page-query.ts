import { z } from 'zod'
import { ReportedStatus } from '../domain/status.ts'
import { once } from '../http/freshness.ts'
import { manyOf, oneOrMany } from '../http/repeated.ts'
import { AStatus, searchText } from '../http/service-query.ts'

/** How many services a page shows unless it is asked for more, and at most. */
const shownFirst = 50
const mostShown = 3200

/** The query of the page. What it does not know it passes over: links come with all sorts of things. */
export const OverviewQuery = z.object({
  q: searchText
    .optional()
    .meta({ description: "Only services with this in their name or in a target's, in upper or lower case." }),
  status: manyOf('status', AStatus)
    .optional()
    .meta({ description: 'Only services with this status; several are allowed.' }),
  group: oneOrMany('group').optional().meta({ description: 'Only services of this group; several are allowed.' }),
  show: once(
    z.coerce
      .number<string | number>({ error: `show is how many services are shown: write a number from 1 to ${mostShown}` })
      .int()
      .min(1)
      .max(mostShown, `show=… is at most ${mostShown}`),
  )
    .default(shownFirst)
    .meta({ description: 'How many services are shown.' }),
})
export type OverviewQuery = z.infer<typeof OverviewQuery>

/** The query that shows more of the same; null where no page shows more. */
export function moreOf(query: OverviewQuery): OverviewQuery | null {
  return query.show >= mostShown ? null : { ...query, show: Math.min(mostShown, query.show * 2) }
}

/** The query that asks for one group. A page may link to many groups, so no link carries the rest of the query: the page's module adds it. */
export function groupQuery(name: string): string {
  return writeQuery({ group: new Set([name]), show: shownFirst })
}

/** A query as it is written behind the page's path; empty where nothing is asked. */
export function writeQuery({ q, status = new Set(), group = new Set(), show }: OverviewQuery): string {
  const parameters = new URLSearchParams()
  if (q !== undefined && q !== '') parameters.set('q', q)
  // All is the same as none.
  if (status.size < ReportedStatus.options.length) for (const one of status) parameters.append('status', one)
  for (const one of group) parameters.append('group', one)
  if (show !== shownFirst) parameters.set('show', String(show))
  return parameters.size === 0 ? '' : `?${parameters}`
}
