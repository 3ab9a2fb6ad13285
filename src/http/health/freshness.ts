import { z } from 'zod'
import { Duration } from '../../domain/values/duration-schema.ts'

const second = 1000

/** Returns the schema of a query parameter that may be given once. */
export const once = <Output>(schema: z.ZodType<Output, string | number>) =>
  z.string({ error: 'given more than once: write it once' }).pipe(schema as z.ZodType<Output, string>)

/** The query parameters for the age of an answer, for callers that cannot set headers. */
export const freshnessQuery = {
  maxAge: once(Duration(0, 86_400 * second))
    .optional()
    .meta({
      description:
        'First check targets whose last check is older than this, such as `2s`. The same as `Cache-Control: max-age` in the request.',
      examples: ['2s'],
    }),
  wait: once(Duration(0, 300 * second))
    .optional()
    .meta({
      description:
        'How long to wait for checks before answering with the present status, such as `800ms`. Default: until they end.',
      examples: ['800ms'],
    }),
}

/** The request header for the age of an answer. */
export const freshnessHeaders = z.looseObject({
  'cache-control': z.string().optional().meta({
    description:
      '`max-age=N` first checks targets whose last check is older than N seconds, `no-cache` all; `only-if-cached` never checks (RFC 9111 §5.2.1).',
  }),
})

/** The age that a request allows its answer to have, and whether it forbids a check. A `maxAgeMs` of null allows any age. */
export type Freshness = { readonly maxAgeMs: number | null; readonly onlyIfCached: boolean }

/**
 * Reads the request directives of Cache-Control (RFC 9111 §5.2.1) and `?maxAge`. The stricter of the two holds. Unknown directives are ignored, as
 * §5.2.3 asks.
 */
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
