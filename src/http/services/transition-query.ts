import { z } from 'zod'
import { parseDuration } from '../../domain/values/duration.ts'
import { quote } from '../../domain/values/quote.ts'
import type { Clock } from '../../runtime/clock.ts'
import { once } from '../health/freshness.ts'
import { unknownParameters } from '../health/health-query.ts'
import { cursorOf, limitOf } from './paging.ts'

/** A point in time as people write it: a date and time, or how long ago. Both are in milliseconds. */
export type Moment = { readonly epochMs: number } | { readonly agoMs: number }

const longestAgoMs = 3650 * 86_400_000
const dateTime = z.iso.datetime({ offset: true })

/** Reads an RFC 3339 time, or a duration back from now of ten years at most. Returns null when the text is neither. */
export function parseMoment(text: string): Moment | null {
  const agoMs = parseDuration(text)
  if (agoMs !== null) return agoMs <= longestAgoMs ? { agoMs } : null
  // RFC 3339 §5.6 allows lower case. A plus sign that was not percent-encoded arrives as a space.
  const time = text.toUpperCase().replace(/ (?=\d\d:\d\d$)/, '+')
  if (!dateTime.safeParse(time).success) return null
  const epochMs = Date.parse(time)
  return Number.isNaN(epochMs) ? null : { epochMs }
}

/** Returns a moment as an instant of the clock. */
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

/** Reads a cursor, which is the id of the last transition on a page. So it stays valid while new transitions arrive and old ones are forgotten. */
const readCursor = (text: string) => (/^\d{1,16}$/.test(text) ? Number(text) : null)

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
  cursor: cursorOf(readCursor),
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
      .meta({ description: 'Only transitions of this service, also when it is no longer registered.' }),
    ...page,
  },
  { error: (issue) => unknownParameters(issue, 'service, from, to, limit, cursor') },
)
export type TransitionQuery = z.infer<typeof TransitionQuery>
