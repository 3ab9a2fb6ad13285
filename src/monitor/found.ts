import { sortIps } from '../domain/addresses.ts'
import { reasonOfLookup } from '../prober/errno.ts'
import type { Resolution } from '../prober/resolver.ts'

/** What is known of a name. */
export type Found = {
  /** Its literal IPs. */
  readonly ips: readonly string[]
  /** How many look-ups in a row have since said that it has none. */
  readonly misses: number
  /** Why the last look-up could not be made; null when it could. */
  readonly failure: string | null
}

/** Before the first look-up. */
export const nothingFound: Found = { ips: [], misses: 0, failure: null }

/**
 * What is known of a name after a look-up. One that could not be made says nothing. Nor does a name lose its addresses
 * before it was missing `fall` times in a row, as nothing goes down sooner.
 */
export function nextFound(known: Found, resolution: Resolution | null, fall: number): Found {
  if (resolution === null) return { ...known, failure: 'timeout' }
  if ('addresses' in resolution) return { ips: sortIps(resolution.addresses), misses: 0, failure: null }
  if (reasonOfLookup(resolution.code) !== 'dns') return { ...known, failure: resolution.code }
  const misses = known.misses + 1
  return { ips: misses < fall ? known.ips : [], misses, failure: null }
}
