import { z } from 'zod'
import { ReportedStatus } from '../../domain/health/status.ts'
import { once } from '../../http/health/freshness.ts'
import { manyOf, oneOrMany } from '../../http/services/repeated.ts'
import { AStatus, searchText } from '../../http/services/service-query.ts'

/** How many services a page shows by default, and at most. */
const shownFirst = 50
const mostShown = 3200

/** The query of the page of all services. Unknown parameters are ignored, because links often carry some, such as `utm_source`. */
export const OverviewQuery = z.object({
  q: searchText.optional().meta({
    description: 'Only services with this text in their name or in the name of a target. Case does not matter.',
  }),
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

/** Returns a query that shows twice as many services; null where the page shows the maximum already. */
export function queryForMore(query: OverviewQuery): OverviewQuery | null {
  return query.show >= mostShown ? null : { ...query, show: Math.min(mostShown, query.show * 2) }
}

/**
 * Returns the query string for one group. The rest of the page's query is left out, because a page may link to many groups. The page's
 * script adds the rest.
 */
export function groupQuery(name: string): string {
  return writeQuery({ group: new Set([name]), show: shownFirst })
}

/** Writes a query as a query string with its question mark; empty where the query has the default values. */
export function writeQuery({ q, status = new Set(), group = new Set(), show }: OverviewQuery): string {
  const parameters = new URLSearchParams()
  if (q !== undefined && q !== '') parameters.set('q', q)
  // All statuses select the same services as none.
  if (status.size < ReportedStatus.options.length) for (const one of status) parameters.append('status', one)
  for (const one of group) parameters.append('group', one)
  if (show !== shownFirst) parameters.set('show', String(show))
  return parameters.size === 0 ? '' : `?${parameters}`
}
