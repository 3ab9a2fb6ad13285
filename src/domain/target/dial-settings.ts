import { z } from 'zod'
import { quote } from '../values/quote.ts'
import { aRange, parseRange } from './ip-range.ts'

const Range = z.string({ error: (issue) => `${quote(issue.input)} is not ${aRange}` }).superRefine((text, ctx) => {
  const range = parseRange(text)
  if (typeof range === 'string') ctx.addIssue(range)
})
const Ranges = z.array(Range, {
  error: (issue) => `${quote(issue.input)} is not a list of ranges: write [10.0.0.0/8], or [] for none`,
})
const whether = (what: string) =>
  z.boolean({
    error: (issue) => `${quote(issue.input)} is neither true nor false: write true to let ${what} addresses be dialled`,
  })

/** The `dial` settings as written: the addresses that Porthole may dial for services that are registered over HTTP. */
export const DialSettings = z.strictObject(
  {
    allow: Ranges.optional(),
    deny: Ranges.optional(),
    loopback: whether('loopback').optional(),
    private: whether('private').optional(),
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? undefined
        : `${quote(issue.input)} is not a set of dial rules: write { deny: [10.0.0.0/8] }`,
  },
)
export type DialSettings = z.infer<typeof DialSettings>
