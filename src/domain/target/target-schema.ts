import { z } from 'zod'
import { quote } from '../values/quote.ts'
import { parseTarget, type Target, targetRemedy } from './target.ts'

/** The schema of a target in the configuration or a request. */
export const TargetText = z
  .string({ error: (issue) => `${quote(issue.input)} is not a target: ${targetRemedy}` })
  .transform((text, ctx): Target => {
    const parsed = parseTarget(text)
    if (typeof parsed !== 'string') return parsed
    ctx.addIssue(parsed)
    return z.NEVER
  })
  .meta({
    description: '`host:port`; IPv6 in brackets.',
    override: { examples: ['db-1.internal:5432', '[::1]:5432'] },
  })
