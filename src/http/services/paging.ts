import { z } from 'zod'
import { quote } from '../../domain/values/quote.ts'
import { once } from '../health/freshness.ts'

const mostPerPage = 1000
/** The number of items of a page without `?limit`. */
export const defaultLimit = 100

/** Returns the schema of `?limit`, the most items of a page. `what` names the items. */
export const limitOf = (what: string) =>
  once(
    z.string().transform((input, ctx) => {
      const limit = /^\d{1,4}$/.test(input) ? Number(input) : 0
      if (limit >= 1 && limit <= mostPerPage) return limit
      ctx.addIssue(`${quote(input)} is not a limit: write how many ${what} a page may have, 1 to ${mostPerPage}`)
      return z.NEVER
    }),
  )
    .optional()
    .meta({
      description: `How many ${what} a page may have.`,
      override: { type: 'integer', minimum: 1, maximum: mostPerPage, default: defaultLimit },
    })

/** Returns the schema of `?cursor`, the end of the previous page. `read` returns null for a text that is not a cursor. */
export const cursorOf = <Place>(read: (text: string) => Place | null) =>
  once(
    z.string().transform((input, ctx) => {
      const place = read(input)
      if (place !== null) return place
      ctx.addIssue(
        `${quote(input)} is not a cursor: write the "next" of the page before, or leave it out for the first page`,
      )
      return z.NEVER
    }),
  )
    .optional()
    .meta({ description: 'The `next` of the page before.' })

/**
 * Returns the `Link` to the next page (RFC 8288), with the parameters that have a value. A URL of a query alone
 * (RFC 3986 §4.2) leads to the path of the request, also where a proxy serves Porthole under another path.
 */
export function linkToNext(parameters: readonly (readonly [name: string, value: unknown])[], next: string): string {
  const query = new URLSearchParams()
  for (const [name, value] of parameters) if (value !== undefined) query.append(name, String(value))
  query.append('cursor', next)
  return `<?${query}>; rel="next"`
}
