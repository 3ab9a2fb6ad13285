import { z } from 'zod'
import { quote } from '../domain/quote.ts'
import { ServiceName } from '../domain/service.ts'
import { Status } from '../domain/status.ts'
import { once } from './freshness.ts'
import { manyOf, oneOrMany, unknownParameters } from './health-query.ts'

const mostPerPage = 1000
export const defaultLimit = 100

/** Where a page ended, as text that goes into a URL as it is: the last name on it, so that it stays right while services come and go. */
export function writeCursor(name: string): string {
  return Buffer.from(name).toString('base64url')
}

/** The name that a cursor holds; null when it is none. */
export function readCursor(cursor: string): string | null {
  const name = Buffer.from(cursor, 'base64url').toString()
  // Node.js skips what is not base64url, and replaces what is not UTF-8: only what reads back the same was ever written.
  return writeCursor(name) === cursor && ServiceName.safeParse(name).success ? name : null
}

const Cursor = z.string().transform((input, ctx) => {
  const name = readCursor(input)
  if (name !== null) return name
  ctx.addIssue(
    `${quote(input)} is not a cursor: write the "next" of the page before, or leave it out for the first page`,
  )
  return z.NEVER
})

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

const AStatus = z.enum(Status.options, {
  error: (issue) => `${quote(issue.input)} is not a status: write ${Status.options.join(', ')}`,
})

/** The query of `GET /v1/services`. */
export const ServicesQuery = z.strictObject(
  {
    group: oneOrMany.optional().meta({ description: 'Only services of this group; several are allowed.' }),
    status: manyOf(AStatus).optional().meta({ description: 'Only services with this status; several are allowed.' }),
    q: once(z.string())
      .optional()
      .meta({ description: "Only services with this in their name or in a target's, in upper or lower case." }),
    limit: limitOf('services'),
    cursor: once(Cursor).optional().meta({ description: 'The `next` of the page before.' }),
  },
  { error: (issue) => unknownParameters(issue, 'group, status, q, limit, cursor') },
)
export type ServicesQuery = z.infer<typeof ServicesQuery>

/** The query of routes that take none. */
export const NoQuery = z.strictObject(
  {},
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown query parameter ${issue.keys.join(', ')}: there are none here`
        : undefined,
  },
)

/**
 * The `Link` to the next page (RFC 8288), with every other parameter kept. A reference of a query alone
 * (RFC 3986 §4.2) leads back to the path that was asked for, also where a proxy serves it under another.
 */
export function linkToNext({ group = [], status = [], q, limit }: ServicesQuery, next: string): string {
  const parameters = new URLSearchParams([
    ...group.map((name) => ['group', name] as [string, string]),
    ...status.map((name) => ['status', name] as [string, string]),
  ])
  if (q !== undefined) parameters.append('q', q)
  if (limit !== undefined) parameters.append('limit', String(limit))
  parameters.append('cursor', next)
  return `<?${parameters}>; rel="next"`
}
