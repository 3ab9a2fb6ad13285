import { readFileSync } from 'node:fs'

/** More checks in flight than this gain nothing: they are some ten seconds of work for one core. */
const enoughChecks = 10_000
/** More connections than this gain nothing, and an idle one takes up to 13 kB of memory. */
const enoughConnections = 4096
/** Descriptors for files, the log, the configuration, SQLite, Redis, listeners and the threads: about 50 are open where all of them are used. */
const ownDescriptors = 64
/** One look-up reads a file and asks a name server at the same time (getaddrinfo(3) of glibc). */
const perLookUp = 2
/** Checks get at most this share of what is not Porthole's own, because a verdict that no client can ask for is of no use. */
const checksShare = 3 / 4
/** One dial in five may be an extra one: a further address of a name, dialled beside one that is silent (RFC 8305 §5). */
const extraDialsPerCheck = 1 / 4

/** What the descriptors of this process are for. The sum is never above the limit. */
export type DescriptorShares = {
  /** How many checks may be in flight at once. */
  readonly checks: number
  /** How many dials of further addresses may run beside the first dials of checks. */
  readonly extraDials: number
  /** How many HTTP connections may be open at once. */
  readonly connections: number
}

/** How many file descriptors this process may have open (`RLIMIT_NOFILE`, which Node.js raises to its hard limit at start); null where the system does not tell. */
export function descriptorLimit(limits = readLimits()): number | null {
  const value = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return value === undefined ? null : Number(value)
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}

/**
 * Divides the descriptors between checks, HTTP connections and all else, so that none can take those of another. `wanted` is how many checks in
 * flight the operator asks for (null: no wish), `lookUps` how many look-ups of names run at once. Where `limit` is null, nothing bounds them
 * but what is enough.
 */
export function shareDescriptors({
  wanted,
  lookUps,
  limit = descriptorLimit(),
}: {
  readonly wanted: number | null
  readonly lookUps: number
  readonly limit?: number | null
}): DescriptorShares {
  const checks = wanted ?? enoughChecks
  const extraDials = Math.ceil(checks * extraDialsPerCheck)
  if (limit === null) return { checks, extraDials, connections: enoughConnections }
  const own = Math.min(ownDescriptors + perLookUp * lookUps, Math.ceil(limit / 4))
  const free = limit - own
  const forChecks = Math.min(checks + extraDials, Math.floor(free * checksShare))
  const bounded = Math.max(1, Math.min(checks, Math.floor(forChecks / (1 + extraDialsPerCheck))))
  return {
    checks: bounded,
    extraDials: Math.max(0, forChecks - bounded),
    connections: Math.max(1, Math.min(enoughConnections, free - forChecks)),
  }
}
