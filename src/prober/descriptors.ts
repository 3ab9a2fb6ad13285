import { readFileSync } from 'node:fs'

/** The most checks in flight that are useful: about ten seconds of work for one core. */
const enoughChecks = 10_000
/** The most HTTP connections that are useful. An idle one takes up to 13 kB of memory. */
const enoughConnections = 4096
/** Descriptors for files, the log, the configuration, SQLite, Redis, listeners and threads. About 50 are open when all of them are in use. */
const ownDescriptors = 64
/** Descriptors of one look-up, which reads a file and queries a name server at the same time (getaddrinfo(3) of glibc). */
const perLookUp = 2
/** The largest share of the other descriptors for checks. The rest is for HTTP, because a verdict is useless if no client can read it. */
const checksShare = 3 / 4
/** One dial in five may be an extra dial: a further address of a name, dialled while another address is silent (RFC 8305 §5). */
const extraDialsPerCheck = 1 / 4

/** The division of the descriptors of this process. The sum is never above the limit. */
export type DescriptorShares = {
  /** How many checks may be in flight at once. */
  readonly checks: number
  /** How many dials of further addresses may run beside the first dials of checks. */
  readonly extraDials: number
  /** How many HTTP connections may be open at once. */
  readonly connections: number
}

/**
 * Returns how many file descriptors this process may have open, or null where the system does not report a limit. The limit is `RLIMIT_NOFILE`,
 * which Node.js raises to its hard limit at start.
 */
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
 * Divides the descriptors between checks, HTTP connections and everything else, so that none can take those of another. `wanted` is
 * `maxInFlight` of the operator (null: not set). `lookUps` is how many look-ups of names run at once. With a `limit` of null only the useful
 * maxima apply.
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
