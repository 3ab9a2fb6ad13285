import { z } from 'zod'
import { Quorum } from '../../domain/service/quorum.ts'
import { show } from '../../domain/values/quote.ts'
import { oneOrMany } from '../services/repeated.ts'
import { freshnessQuery, once } from './freshness.ts'

/** The flag `verbose`. `?verbose`, `?verbose=true` and `?verbose=1` set it; `false` and `0` do not. */
const flag = z
  .enum(['', 'true', '1', 'false', '0'], {
    error: (issue) => `verbose=${show(String(issue.input))}: write ?verbose, or leave it out`,
  })
  .transform((value) => value !== 'false' && value !== '0')

const degraded = z
  .enum(['200', '503'], {
    error: (issue) => `degraded=${show(String(issue.input))}: write 503 to treat degraded as down, or 200`,
  })
  .optional()
  .meta({ description: 'The HTTP status for `degraded`: 200, or 503 for callers that treat it as down.' })

/** The query of `GET /health/{service}`. */
export const ServiceQuery = z.strictObject(
  {
    verbose: flag.optional().meta({ description: 'Has no effect: a service is always shown whole.' }),
    degraded,
    ...freshnessQuery,
  },
  { error: (issue) => unknownParameters(issue, 'verbose, degraded, maxAge, wait') },
)

/** The query of `GET /health`. */
export const SetQuery = z.strictObject(
  {
    group: oneOrMany('group').optional().meta({
      description: 'Only services of this group; several are allowed.',
    }),
    exclude: oneOrMany('exclude').optional().meta({
      description: 'Leave this service out; several are allowed.',
    }),
    quorum: once(Quorum).optional().meta({
      description:
        "How many of the services must be up: `all`, `any`, a count, or a share such as `50%25`. Default: the group's own quorum, or `all`.",
    }),
    verbose: flag.optional().meta({ description: 'List every service, not only those that are not up.' }),
    degraded,
    ...freshnessQuery,
  },
  { error: (issue) => unknownParameters(issue, 'group, exclude, quorum, verbose, degraded, maxAge, wait') },
)
export type SetQuery = z.infer<typeof SetQuery>

/** Returns the message for query parameters that do not exist. Other issues keep their own message. */
export function unknownParameters(issue: { code?: string; keys?: unknown }, known: string): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined
  const there = known.includes(',') ? 'there are' : 'there is only'
  return `unknown query parameter ${(issue.keys as string[]).map(show).join(', ')}: ${there} ${known}`
}
