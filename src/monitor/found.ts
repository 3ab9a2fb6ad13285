import { sortIps } from '../domain/addresses.ts'
import type { Policy } from '../domain/policy.ts'
import { reasonOfLookup } from '../prober/errno.ts'
import type { Resolution } from '../prober/resolver.ts'

/** How long an address has been missing from the answers for its name. */
type Missing = {
  /** How many answers in a row left it out. */
  readonly answers: number
  /** The time that these answers cover, in milliseconds. The time in which look-ups failed is not in it. */
  readonly ms: number
}

/** What is known of a name. */
export type Found = {
  /** Its literal IPs: those of the last answer, and those that are held. */
  readonly ips: readonly string[]
  /** The IPs that are held, because they were missing for less than `hold`. */
  readonly held: ReadonlyMap<string, Missing>
  /** How many look-ups in a row have since said that it has none. */
  readonly misses: number
  /** Why the last look-up could not be made; null when it could. */
  readonly failure: string | null
  /** When the first look-up began that could not be made since the last answer; null when the last one could. An instant of the clock. */
  readonly failingSince: number | null
  /** When the last look-up began; null before the first. */
  readonly lookedUpAt: number | null
}

const noneHeld: ReadonlyMap<string, Missing> = new Map()

/** Before the first look-up. */
export const nothingFound: Found = {
  ips: [],
  held: noneHeld,
  misses: 0,
  failure: null,
  failingSince: null,
  lookedUpAt: null,
}

/** An address that so many answers in a row left out leaves, where the policy does not say for how long it is held. */
const answersUntilGone = 3
/** Look-ups begin up to this much early or late, in milliseconds. They are at least ten times as far apart. */
const jitterMs = 1000

/** One look-up of a name: when it began, and what came of it; null for no answer in time. */
export type LookedUp = { readonly startedAt: number; readonly resolution: Resolution | null }

/**
 * Returns what is known of a name after a look-up. An address leaves once answers left it out for `hold`, because many name servers return some of
 * the addresses at a time. A look-up that could not be made says nothing of any address, so all stay for `lookupHold`. A name that does not exist
 * loses its addresses once it was missing `fall` times in a row, as nothing goes down sooner. `most` bounds how many addresses a name has with
 * those that are held.
 */
export function nextFound(
  known: Found,
  { startedAt, resolution }: LookedUp,
  policy: Pick<Policy, 'fall' | 'holdMs' | 'lookupHoldMs'>,
  most: number,
): Found {
  const lookedUpAt = startedAt
  if (resolution !== null && 'addresses' in resolution) {
    const elapsedMs = known.lookedUpAt === null ? 0 : startedAt - known.lookedUpAt
    const held = hold(known, resolution.addresses, elapsedMs, policy.holdMs, most)
    const ips = sortIps([...resolution.addresses, ...held.keys()])
    return { ips, held, misses: 0, failure: null, failingSince: null, lookedUpAt }
  }
  const code = resolution?.code ?? 'timeout'
  if (reasonOfLookup(code) === 'dns') {
    const misses = known.misses + 1
    const after = { ...known, misses, failure: null, failingSince: null, lookedUpAt }
    return misses < policy.fall ? after : { ...after, ips: [], held: noneHeld }
  }
  const failingSince = known.failingSince ?? startedAt
  const after = { ...known, failure: code, failingSince, lookedUpAt }
  return startedAt - failingSince < policy.lookupHoldMs ? after : { ...after, ips: [], held: noneHeld }
}

/** Returns the known addresses that an answer left out and that are held, those that were in an answer last first. */
function hold(
  known: Found,
  answer: readonly string[],
  elapsedMs: number,
  holdMs: number | null,
  most: number,
): ReadonlyMap<string, Missing> {
  const present = new Set(answer)
  const missing = known.ips
    .filter((ip) => !present.has(ip))
    .map((ip): [string, Missing] => {
      const { answers, ms } = known.held.get(ip) ?? { answers: 0, ms: 0 }
      return [ip, { answers: answers + 1, ms: ms + elapsedMs }]
    })
    .filter(([, { answers, ms }]) => (holdMs === null ? answers < answersUntilGone : ms + jitterMs < holdMs))
    .sort(([, a], [, b]) => a.answers - b.answers)
  return missing.length === 0 ? noneHeld : new Map(missing.slice(0, Math.max(0, most - present.size)))
}
