import { lookup as dnsLookup } from 'node:dns/promises'
import type { Clock } from '../clock.ts'
import { atDeadline } from './deadline.ts'
import { codeOf } from './errno.ts'

/** What a look-up found: literal IPs in the order to try them, or the name of the error. */
export type Resolution = { readonly addresses: readonly [string, ...string[]] } | { readonly code: string }

/** Finds the literal IPs of a name; rejects with an error that carries a `code`. */
export type Lookup = (host: string) => Promise<readonly string[]>

export type Resolver = {
  /**
   * The addresses of a name; null when `deadline`, an instant of the clock, came first. Never rejects. What was found up to
   * `maxAgeMs` ago is good enough, if it is still believed.
   */
  resolve(host: string, deadline: number, maxAgeMs?: number): Promise<Resolution | null>
  /**
   * Lets every caller go with null and begins no further look-up. One that runs cannot be stopped: the process, even
   * one that calls `process.exit`, ends only when getaddrinfo returns (10 s with a silent resolver and glibc's defaults).
   */
  close(): void
}

export type ResolverParts = {
  readonly clock: Clock
  readonly lookup?: Lookup
  /**
   * How long addresses are believed. getaddrinfo does not tell a record's own lifetime; ten seconds is well below the
   * lifetimes in use (Kubernetes: 30 s), so a name that moves is followed within a check or two, and long enough
   * for services that share a name to share its look-up.
   */
  readonly lifetimeMs?: number
  /** How long a failure is believed: only long enough that checks which come together fail together. */
  readonly failureLifetimeMs?: number
  readonly maxEntries?: number
  /**
   * Look-ups handed to libuv at once. It runs getaddrinfo on half of its threads (of the sixteen that src/porthole.js asks for) and queues the rest
   * where nobody can take them back. Names beyond this wait here instead, and are forgotten when all who asked have left.
   */
  readonly maxInFlight?: number
}

type Caller = (resolution: Resolution | null) => void
type Flight = { readonly host: string; readonly callers: Set<Caller> }

/**
 * Asks the system (getaddrinfo: /etc/hosts, search domains, whatever the machine is set up with) for both families,
 * in the order the system prefers them (RFC 6724).
 */
const systemLookup: Lookup = async (host) => {
  const found = await dnsLookup(host, { all: true, order: 'verbatim' })
  return found.map(({ address }) => address)
}

/** A resolver that remembers answers, asks once for all who ask together, and keeps nobody past a deadline. */
export function createResolver({
  clock,
  lookup = systemLookup,
  lifetimeMs = 10_000,
  failureLifetimeMs = 1000,
  maxEntries = 10_000,
  maxInFlight = 8,
}: ResolverParts): Resolver {
  const cache = new Map<string, { readonly resolution: Resolution; readonly foundAt: number }>()
  const flights = new Map<string, Flight>()
  const waiting = new Set<Flight>()
  let inFlight = 0
  let closed = false

  function remember(host: string, resolution: Resolution): void {
    cache.delete(host)
    cache.set(host, { resolution, foundAt: clock.now() })
    const [oldest] = cache.keys()
    if (cache.size > maxEntries && oldest !== undefined) cache.delete(oldest)
  }

  /** What is known of a name, unless it is too old. */
  function recall(host: string, maxAgeMs: number): Resolution | null {
    const known = cache.get(host)
    if (known === undefined) return null
    const believedMs = 'code' in known.resolution ? failureLifetimeMs : lifetimeMs
    return clock.now() - known.foundAt < Math.min(believedMs, maxAgeMs) ? known.resolution : null
  }

  async function run(flight: Flight): Promise<void> {
    const resolution = await ask(lookup, flight.host)
    inFlight--
    flights.delete(flight.host)
    remember(flight.host, resolution)
    for (const answer of flight.callers) answer(resolution)
    runNext()
  }

  function runNext(): void {
    for (const flight of waiting) {
      if (inFlight >= maxInFlight || closed) return
      waiting.delete(flight)
      inFlight++
      void run(flight)
    }
  }

  function join(host: string): Flight {
    const flight = flights.get(host) ?? { host, callers: new Set() }
    if (flights.has(host)) return flight
    flights.set(host, flight)
    waiting.add(flight)
    return flight
  }

  function leave(flight: Flight, caller: Caller): void {
    flight.callers.delete(caller)
    if (flight.callers.size === 0 && waiting.delete(flight)) flights.delete(flight.host)
  }

  return {
    resolve(name, deadline, maxAgeMs = lifetimeMs) {
      if (closed) return Promise.resolve(null)
      const host = name.toLowerCase()
      const known = recall(host, maxAgeMs)
      if (known !== null) return Promise.resolve(known)
      return new Promise((done) => {
        const flight = join(host)
        const answer: Caller = (resolution) => {
          callOff()
          done(resolution)
        }
        const callOff = atDeadline(clock, deadline, () => {
          leave(flight, answer)
          done(null)
        })
        flight.callers.add(answer)
        runNext()
      })
    },
    close() {
      closed = true
      waiting.clear()
      for (const flight of flights.values()) for (const answer of flight.callers) answer(null)
      flights.clear()
    },
  }
}

async function ask(lookup: Lookup, host: string): Promise<Resolution> {
  try {
    const [first, ...rest] = await lookup(host)
    // The system calls a name without any address ENOTFOUND as well.
    return first === undefined ? { code: 'ENOTFOUND' } : { addresses: [first, ...rest] }
  } catch (error) {
    return { code: codeOf(error) }
  }
}
