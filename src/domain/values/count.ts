import { z } from 'zod'
import { quote } from './quote.ts'

/** Builds a schema for a whole number from `min` to `max`. Its messages call the number a number of `what`, such as `checks`. */
export const Count = (min: number, max: number, what: string) => {
  const error = (issue: { input?: unknown }) =>
    `${quote(issue.input)} is not a number of ${what}: write ${min} to ${max}`
  return z.number({ error }).refine((count) => Number.isInteger(count) && count >= min && count <= max, { error })
}
