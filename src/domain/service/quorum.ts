import { z } from 'zod'
import type { Counts, Status } from '../health/status.ts'
import { quote } from '../values/quote.ts'

/** How many members must be up: all, one, a count, or a share. */
export type Quorum = 'all' | 'any' | number | `${number}%`

const remedy = 'write all, any, a count such as 2, or a share such as 50%'

/** Parses a quorum as people write it; returns null for any other text. Shares are 1% to 100%. */
export function parseQuorum(text: string): Quorum | null {
  if (text === 'all' || text === 'any') return text
  const match = /^([1-9]\d{0,6})(%?)$/.exec(text)
  if (match === null) return null
  const number = Number(match[1])
  if (match[2] === '') return number
  return number <= 100 ? `${number}%` : null
}

/** The schema of a quorum in the configuration or a query. */
export const Quorum = z
  .union([z.string(), z.number()], { error: (issue) => `${quote(issue.input)} is not a quorum: ${remedy}` })
  .transform((input, ctx): Quorum => {
    const quorum = parseQuorum(String(input))
    if (quorum !== null) return quorum
    ctx.addIssue(`${quote(input)} is not a quorum: ${remedy}`)
    return z.NEVER
  })
  .meta({
    override: {
      anyOf: [
        { type: 'string', enum: ['all', 'any'] },
        { type: 'integer', minimum: 1, maximum: 9_999_999 },
        { type: 'string', pattern: '^([1-9][0-9]{0,6}|([1-9]|[1-9][0-9]|100)%)$' },
      ],
    },
  })

/** Returns how many of `total` members a quorum asks for. Shares round up. */
export function membersNeeded(quorum: Quorum, total: number): number {
  if (quorum === 'all') return total
  if (quorum === 'any') return 1
  if (typeof quorum === 'number') return quorum
  return Math.ceil((total * Number.parseInt(quorum, 10)) / 100)
}

/** Returns the message for a quorum that is above the number of its members. */
export function unreachableQuorum(quorum: Quorum, total: number, member: 'target' | 'service'): string {
  return `a quorum of ${quorum} can never be met by ${total} ${member}${total === 1 ? '' : 's'}: write at most ${total}`
}

/** Returns the message for a set of services whose quorum cannot be met because services are drained; null when it can be met. */
export function drainedQuorum(quorum: Quorum, total: number, drained: number): string | null {
  const left = total - drained
  if (drained === 0 || (left > 0 && membersNeeded(quorum, left) <= left)) return null
  return `a quorum of ${quorum} cannot be met while ${drained} of ${total} services ${drained === 1 ? 'is' : 'are'} drained`
}

/**
 * Returns the status of a set of which only some members are known: `down` if no missing member could change that, otherwise
 * `unknown`.
 */
export function statusOfPart(counts: Counts, quorum: Quorum): Status {
  const wantsAll = quorum === 'all' || quorum === '100%'
  return wantsAll && counts.down > 0 ? 'down' : 'unknown'
}

/**
 * Returns the status of a service from the counts of its targets, or of a group from the counts of its services. Without any member it is
 * unknown. A degraded service does its work, so it counts as up toward the quorum.
 * `pending` is how many members are not in the counts because they were added and were never checked. While there are any, the quorum asks for
 * no more members than are in the counts. Otherwise a quorum that was raised together with the targets would be down until their first check.
 */
export function statusOf(counts: Counts, quorum: Quorum, pending = 0): Status {
  const total = counts.up + counts.degraded + counts.down + counts.unknown
  if (total === 0) return 'unknown'
  const asked = membersNeeded(quorum, total)
  const needed = pending > 0 ? Math.min(asked, total) : asked
  if (counts.up + counts.degraded >= needed) return counts.up === total ? 'up' : 'degraded'
  return counts.up + counts.degraded + counts.unknown < needed ? 'down' : 'unknown'
}
