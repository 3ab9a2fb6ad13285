import { readFileSync } from 'node:fs'

/** What is kept free of checks: listeners, callers' connections, files, DNS. */
const reserved = 256
/** More in flight at once than this gains nothing: it is some ten seconds of work for one core. */
const enough = 10_000

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

/** How many checks may be in flight: what is wanted (null: no wish), but never more than there are descriptors for. */
export function boundInFlight(wanted: number | null, limit: number | null): number {
  if (limit === null) return wanted ?? enough
  const free = Math.max(1, limit - Math.min(reserved, Math.ceil(limit / 2)))
  return Math.min(wanted ?? enough, free)
}
