import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { parseDuration } from '../domain/duration.ts'
import { quote } from '../domain/quote.ts'
import { once } from './freshness.ts'
import { unknownParameters } from './health-query.ts'
import { limitOf } from './service-query.ts'

/** A point in time as people write it: a time of day, or how long ago. Milliseconds. */
export type Moment = { readonly epochMs: number } | { readonly agoMs: number }

const longestAgoMs = 3650 * 86_400_000
const dateTime = z.iso.datetime({ offset: true })

/** Reads an RFC 3339 time or a duration back from now, ten years at most; null when it is neither. */
export function parseMoment(text: string): Moment | null {
  const agoMs = parseDuration(text)
  if (agoMs !== null) return agoMs <= longestAgoMs ? { agoMs } : null
  // Small letters are allowed (§5.6). A plus that was not percent-encoded arrives as a space.
  const time = text.toUpperCase().replace(/ (?=\d\d:\d\d$)/, '+')
  if (!dateTime.safeParse(time).success) return null
  const epochMs = Date.parse(time)
  return Number.isNaN(epochMs) ? null : { epochMs }
}

/** A moment as an instant of the clock. */
export function instantOf(moment: Moment, now: number, clock: Clock): number {
  return 'agoMs' in moment ? now - moment.agoMs : clock.fromEpoch(moment.epochMs)
}

const moment = (name: 'from' | 'to') =>
  once(
    z.string().transform((input, ctx) => {
      const moment = parseMoment(input)
      if (moment !== null) return moment
      ctx.addIssue(
        `${name}=${quote(input)} is not a time: write one such as 2026-11-22T15:00:00Z, or how long ago, such as 24h, 3650d at most`,
      )
      return z.NEVER
    }),
  ).optional()

/** A cursor is the id of the last transition told: it stays right while new ones come in and old ones are forgotten. */
const cursor = once(
  z.string().transform((input, ctx) => {
    if (/^\d{1,16}$/.test(input)) return Number(input)
    ctx.addIssue(
      `${quote(input)} is not a cursor: write the "next" of the page before, or leave it out for the first page`,
    )
    return z.NEVER
  }),
)

const page = {
  from: moment('from').meta({
    description: 'Not before this: an RFC 3339 time, or a duration back from now.',
    examples: ['24h', '2026-11-22T15:00:00Z'],
  }),
  to: moment('to').meta({
    description: 'Before this: an RFC 3339 time, or a duration back from now.',
    examples: ['1h', '2026-11-22T16:00:00Z'],
  }),
  limit: limitOf('transitions'),
  cursor: cursor.optional().meta({ description: 'The `next` of the page before.' }),
}

/** The query of `GET /v1/services/{service}/transitions`. */
export const ServiceTransitionQuery = z.strictObject(page, {
  error: (issue) => unknownParameters(issue, 'from, to, limit, cursor'),
})

/** The query of `GET /v1/transitions`. */
export const TransitionQuery = z.strictObject(
  {
    service: once(z.string())
      .optional()
      .meta({ description: "Only this service's, also when it is no longer registered." }),
    ...page,
  },
  { error: (issue) => unknownParameters(issue, 'service, from, to, limit, cursor') },
)
export type TransitionQuery = z.infer<typeof TransitionQuery>

/**
 * The `Link` to the next page (RFC 8288): a reference of a query alone (RFC 3986 §4.2) leads back to the path that was
 * asked for, also where a proxy serves it under another. `from` comes as a time: 24 hours back from the next request would be later.
 */
export function linkToNext({ service, limit }: TransitionQuery, from: string | undefined, next: string): string {
  const parameters = new URLSearchParams()
  if (service !== undefined) parameters.set('service', service)
  if (from !== undefined) parameters.set('from', from)
  if (limit !== undefined) parameters.set('limit', String(limit))
  parameters.set('cursor', next)
  return `<?${parameters}>; rel="next"`
}
