import { z } from 'zod'
import { quote } from '../domain/quote.ts'
import { once } from './freshness.ts'

const mostPerPage = 1000
export const defaultLimit = 100

/** `?limit`: how many of something a page may have. */
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

/** `?cursor`: where the page before ended. `read` gives null for what no page ended with. */
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
 * The `Link` to the next page (RFC 8288), with the parameters that have a value. A reference of a query alone
 * (RFC 3986 §4.2) leads back to the path that was asked for, also where a proxy serves it under another.
 */
export function linkToNext(parameters: readonly (readonly [name: string, value: unknown])[], next: string): string {
  const query = new URLSearchParams()
  for (const [name, value] of parameters) if (value !== undefined) query.append(name, String(value))
  query.append('cursor', next)
  return `<?${query}>; rel="next"`
}
