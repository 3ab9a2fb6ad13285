import type { Policy } from '../../domain/service/policy.ts'
import { sortIps } from '../../domain/target/addresses.ts'
import { isNoSuchName } from '../../prober/errno.ts'
import type { Resolution } from '../../prober/lookup/resolver.ts'

/** For how long an address has been missing from the answers for its name. */
type Missing = {
  /** How many answers in a row left the address out. */
  readonly answers: number
  /** The time that these answers cover, in milliseconds, without the time in which look-ups failed. */
  readonly ms: number
}

/** The state of a resolved name. */
export type ResolvedName = {
  /** The literal IPs of the name: those of the last answer, and those that are held. */
  readonly ips: readonly string[]
  /** The IPs that are held, because they have been missing for less than `hold`. */
  readonly held: ReadonlyMap<string, Missing>
  /** How many look-ups in a row have said that the name has no address. Failed look-ups neither count nor break the row. */
  readonly misses: number
  /** The error of the last look-up if it failed; null if it was answered. */
  readonly failure: string | null
  /** When the first failed look-up since the last answer began; null if the last look-up was answered. An instant of the clock. */
  readonly failingSince: number | null
  /** When the last look-up began; null before the first. */
  readonly lookedUpAt: number | null
}

const noneHeld: ReadonlyMap<string, Missing> = new Map()

/** The state before the first look-up. */
export const unresolvedName: ResolvedName = {
  ips: [],
  held: noneHeld,
  misses: 0,
  failure: null,
  failingSince: null,
  lookedUpAt: null,
}

/** An address leaves after this many answers in a row without it, if the policy sets no `hold`. */
const answersUntilGone = 3
/** Look-ups begin up to this much early or late, in milliseconds. The time between two of them is at least ten times as long. */
const jitterMs = 1000

/** One look-up of a name: when it began, and its result. The result is null when no answer came in time. */
export type LookUpResult = { readonly startedAt: number; readonly resolution: Resolution | null }

/**
 * Returns the state of a name after a look-up. An address leaves once answers left it out for `hold`, because many name servers return only
 * some of the addresses at a time. A failed look-up says nothing about any address, so all addresses stay for `lookupHold`. A name that does
 * not exist loses its addresses after `fall` such answers in a row, because nothing goes down sooner. `most` bounds how many addresses a
 * name has, including held ones.
 */
export function nextResolvedName(
  known: ResolvedName,
  { startedAt, resolution }: LookUpResult,
  policy: Pick<Policy, 'fall' | 'holdMs' | 'lookupHoldMs'>,
  most: number,
): ResolvedName {
  const lookedUpAt = startedAt
  if (resolution !== null && 'addresses' in resolution) {
    const elapsedMs = known.lookedUpAt === null ? 0 : startedAt - known.lookedUpAt
    const held = hold(known, resolution.addresses, elapsedMs, policy.holdMs, most)
    const ips = sortIps([...resolution.addresses, ...held.keys()])
    return { ips, held, misses: 0, failure: null, failingSince: null, lookedUpAt }
  }
  const code = resolution?.code ?? 'timeout'
  if (isNoSuchName(code)) {
    const misses = known.misses + 1
    const after = { ...known, misses, failure: null, failingSince: null, lookedUpAt }
    return misses < policy.fall ? after : { ...after, ips: [], held: noneHeld }
  }
  const failingSince = known.failingSince ?? startedAt
  const after = { ...known, failure: code, failingSince, lookedUpAt }
  return startedAt - failingSince < policy.lookupHoldMs ? after : { ...after, ips: [], held: noneHeld }
}

/** Returns the known addresses that the answer left out and that are held. The address that was seen last comes first. */
function hold(
  known: ResolvedName,
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
