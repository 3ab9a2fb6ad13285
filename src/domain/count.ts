import { z } from 'zod'
import { quote } from './quote.ts'

/** A whole number between two bounds; `what` is counted, such as `checks`. */
export const Count = (min: number, max: number, what: string) => {
  const error = (issue: { input?: unknown }) =>
    `${quote(issue.input)} is not a number of ${what}: write ${min} to ${max}`
  return z.number({ error }).refine((count) => Number.isInteger(count) && count >= min && count <= max, { error })
}
