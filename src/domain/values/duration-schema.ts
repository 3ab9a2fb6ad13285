import { z } from 'zod'
import { durationPattern, formatDuration, parseDuration } from './duration.ts'
import { quote } from './quote.ts'

/** Returns a number with the two likeliest units that keep it between two bounds: `30s, or 30ms`. Empty when no unit does. */
function withUnit(number: string, minMs: number, maxMs: number): string {
  const fitting = ['s', 'ms', 'm', 'd', 'h'].filter((unit) => {
    const ms = parseDuration(number + unit)
    return ms !== null && ms >= minMs && ms <= maxMs
  })
  return fitting
    .slice(0, 2)
    .map((unit) => number + unit)
    .join(', or ')
}

/** Builds a schema that parses a duration as people write it, from `minMs` to `maxMs`, to milliseconds. */
export function Duration(minMs: number, maxMs: number) {
  const range = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  return z
    .union([z.string(), z.number()], {
      error: (issue) => `${quote(issue.input)} is not a duration: write 500ms, 10s or 1m`,
    })
    .transform((input, ctx) => {
      const ms = parseDuration(String(input))
      if (ms === null) {
        ctx.addIssue(
          /^\d+(\.\d+)?$/.test(String(input))
            ? `${quote(input)} has no unit: write ${withUnit(String(input), minMs, maxMs) || range}`
            : `${quote(input)} is not a duration: write 500ms, 10s or 1m`,
        )
        return z.NEVER
      }
      if (ms < minMs || ms > maxMs) {
        ctx.addIssue(`${input} is out of range: write ${range}`)
        return z.NEVER
      }
      return ms
    })
    .meta({
      // The schema accepts a bare number only to report that its unit is missing, so the document leaves numbers out.
      override: ({ jsonSchema }) => {
        delete jsonSchema.anyOf
        Object.assign(jsonSchema, {
          type: 'string',
          pattern: durationPattern.source,
          description: `${range}.`,
          examples: [formatDuration(Math.max(minMs, Math.min(maxMs, 10_000)))],
        })
      },
    })
}
