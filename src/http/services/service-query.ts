import { z } from 'zod'
import { ReportedStatus } from '../../domain/health/status.ts'
import { ServiceName } from '../../domain/service/service.ts'
import { quote, show } from '../../domain/values/quote.ts'
import { once } from '../health/freshness.ts'
import { unknownParameters } from '../health/health-query.ts'
import { cursorOf, limitOf } from './paging.ts'
import { manyOf, oneOrMany } from './repeated.ts'

/**
 * Returns the cursor of a page, which needs no escape in a URL. The cursor holds the last name on the page, so that it stays valid while services come
 * and go.
 */
export function writeCursor(name: string): string {
  return Buffer.from(name).toString('base64url')
}

/** Returns the name that a cursor holds; null for a text that is not a cursor. */
export function readCursor(cursor: string): string | null {
  const name = Buffer.from(cursor, 'base64url').toString()
  // Node.js skips characters outside base64url and replaces invalid UTF-8. Only a cursor that Porthole wrote encodes back to the same text.
  return writeCursor(name) === cursor && ServiceName.safeParse(name).success ? name : null
}

/** The schema of a status in a query. */
export const AStatus = z.enum(ReportedStatus.options, {
  error: (issue) => `${quote(issue.input)} is not a status: write ${ReportedStatus.options.join(', ')}`,
})

/** The longest search text, in UTF-16 code units. No name of a service or a target is longer. */
const longestSearch = 400

/** The schema of a text to search names for. */
export const searchText = once(
  z.string().max(longestSearch, `q is longer than ${longestSearch} characters, and no name is: write a part of a name`),
)

/** The query of `GET /v1/services`. */
export const ServicesQuery = z.strictObject(
  {
    group: oneOrMany('group').optional().meta({ description: 'Only services of this group; several are allowed.' }),
    status: manyOf('status', AStatus).optional().meta({
      description:
        'Only services with this status; several are allowed. A drained service has only the status `draining`.',
    }),
    q: searchText.optional().meta({
      description: 'Only services with this text in their name or in the name of a target, in upper or lower case.',
    }),
    limit: limitOf('services'),
    cursor: cursorOf(readCursor),
  },
  { error: (issue) => unknownParameters(issue, 'group, status, q, limit, cursor') },
)
export type ServicesQuery = z.infer<typeof ServicesQuery>

/** The query of routes that take no parameters. */
export const NoQuery = z.strictObject(
  {},
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown query parameter ${issue.keys.map(show).join(', ')}: there are none here`
        : undefined,
  },
)

/** Returns every parameter but the cursor, for the link to the next page. */
export function parametersOf({ group, status, q, limit }: ServicesQuery): [name: string, value: unknown][] {
  return [
    ...Array.from(group ?? [], (name): [string, unknown] => ['group', name]),
    ...Array.from(status ?? [], (name): [string, unknown] => ['status', name]),
    ['q', q],
    ['limit', limit],
  ]
}
