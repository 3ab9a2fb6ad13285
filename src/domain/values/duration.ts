import { z } from 'zod'
import { quote } from './quote.ts'

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** Parses `500ms`, `10s`, `1.5m`, `2h` or `30d`. Returns whole milliseconds, rounded; null for any other text. */
export function parseDuration(text: string): number | null {
  const match = pattern.exec(text)
  if (match === null) return null
  return Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs])
}

/** Writes milliseconds in the largest unit that needs no fraction, for `parseDuration` to read: 90000 is `90s`, 60000 is `1m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms >= unitMs[unit] && ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`
  }
  return `${ms}ms`
}

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
          pattern: pattern.source,
          description: `${range}.`,
          examples: [formatDuration(Math.max(minMs, Math.min(maxMs, 10_000)))],
        })
      },
    })
}
