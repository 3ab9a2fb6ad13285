import { z } from 'zod'
import { Duration } from '../domain/duration.ts'

const second = 1000

/** A parameter that is given once, and read as the schema reads text. */
export const once = <Output>(schema: z.ZodType<Output, string | number>) =>
  z.string({ error: 'given more than once: write it once' }).pipe(schema as z.ZodType<Output, string>)

/** How fresh an answer a caller wants, for those who cannot set headers. */
export const freshnessQuery = {
  maxAge: once(Duration(0, 86_400 * second))
    .optional()
    .meta({
      description:
        'Check first what was last checked longer ago than this, such as `2s`. The same as `Cache-Control: max-age` in the request.',
      examples: ['2s'],
    }),
  wait: once(Duration(0, 300 * second))
    .optional()
    .meta({
      description:
        'How long to wait for checks before answering with what is known, such as `800ms`. Without it, until they end.',
      examples: ['800ms'],
    }),
}

export const freshnessHeaders = z.looseObject({
  'cache-control': z.string().optional().meta({
    description:
      '`no-cache` or `max-age=N` checks first what was last checked longer ago; `only-if-cached` never checks (RFC 9111 §5.2.1).',
  }),
})

/** What a request says about the age of its answer. Null: it says nothing. */
export type Freshness = { readonly maxAgeMs: number | null; readonly onlyIfCached: boolean }

/** Reads the request directives of Cache-Control (RFC 9111 §5.2.1) beside `?maxAge`; the stricter of the two holds. Unknown directives are ignored, as §5.2.3 asks. */
export function readFreshness(cacheControl: string | undefined, queryMaxAgeMs: number | undefined): Freshness {
  const ages = queryMaxAgeMs === undefined ? [] : [queryMaxAgeMs]
  let onlyIfCached = false
  for (const directive of cacheControl?.toLowerCase().split(',') ?? []) {
    const [name, value = ''] = directive.trim().split('=')
    if (name === 'no-cache') ages.push(0)
    if (name === 'only-if-cached') onlyIfCached = true
    const seconds = /^"?(\d+)"?$/.exec(value.trim())?.[1]
    if (name?.trim() === 'max-age' && seconds !== undefined) ages.push(Number(seconds) * second)
  }
  return { maxAgeMs: ages.length === 0 ? null : Math.min(...ages), onlyIfCached }
}
