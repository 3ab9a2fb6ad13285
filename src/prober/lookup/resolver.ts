import type { Clock } from '../../runtime/clock.ts'
import { atDeadline } from '../deadline.ts'
import { codeOf, isNoSuchName } from '../errno.ts'
import { createLookUpLanes, type LookUp } from './lookup-lanes.ts'
import { countLookUpThreads } from './resolver-options.ts'
import { type Lookup, systemLookup } from './system-lookup.ts'

export type { Lookup } from './system-lookup.ts'

/** The result of a look-up: literal IPs in the order in which to try them, or the name of the error. */
export type Resolution = { readonly addresses: readonly [string, ...string[]] } | { readonly code: string }

/** Code that resolves host names and caches the results. */
export type Resolver = {
  /** Returns the cached result for a name; null when the name has to be looked up. */
  recall(host: string): Resolution | null
  /**
   * Returns the result for a name; null when `deadline`, an instant of the clock, came first. Never rejects. A cached result counts if it is at
   * most `maxAgeMs` old and has not expired. The code is `EQUEUED` if the look-up mostly waited behind others until the deadline, because
   * then the resolver is not to blame.
   */
  resolve(host: string, deadline: number, maxAgeMs?: number): Promise<Resolution | null>
  /** Answers every caller with null and begins no further look-up. A running look-up cannot be stopped. */
  close(): void
}

export type ResolverParts = {
  readonly clock: Clock
  readonly lookup?: Lookup
  /**
   * How long addresses are cached, in milliseconds. getaddrinfo does not report the lifetime of a record. The default of ten seconds is well below
   * the lifetimes in use (Kubernetes: 30 s), so checks follow a name that moves within a check or two. Services with the same
   * name still share a look-up.
   */
  readonly lifetimeMs?: number
  /** How long a failure is cached, in milliseconds: only long enough for checks at the same time to share it. */
  readonly failureLifetimeMs?: number
  readonly maxEntries?: number
  /**
   * The most look-ups given to libuv at once, no more than it runs (`countLookUpThreads`). The queue of libuv cannot cancel a look-up. So further
   * names wait here, and are dropped when all their callers have left.
   */
  readonly maxInFlight?: number
}

type Caller = (resolution: Resolution | null) => void
type Flight = LookUp & {
  readonly callers: Set<Caller>
  /** When the look-up got its thread; null while it waits for one. */
  startedAt: number | null
}
type Known = { readonly resolution: Resolution; readonly foundAt: number; readonly isUnresponsive: boolean }

/** A look-up that fails after this time waited for a name server, in milliseconds. The system gives each try a second or more. */
const unresponsiveAfterMs = 500

/** Creates a resolver that caches answers and shares one look-up between callers. No caller waits past its deadline. */
export function createResolver({
  clock,
  lookup = systemLookup,
  lifetimeMs = 10_000,
  failureLifetimeMs = 1000,
  maxEntries = 10_000,
  maxInFlight = countLookUpThreads(undefined),
}: ResolverParts): Resolver {
  const cache = new Map<string, Known>()
  const flights = new Map<string, Flight>()
  const lanes = createLookUpLanes<Flight>(maxInFlight)
  let closed = false

  function remember(host: string, resolution: Resolution, isUnresponsive: boolean): void {
    cache.delete(host)
    cache.set(host, { resolution, foundAt: clock.now(), isUnresponsive })
    const [oldest] = cache.keys()
    if (cache.size > maxEntries && oldest !== undefined) cache.delete(oldest)
  }

  /** Returns the cached result for a name; null when there is none, or it is too old. */
  function recall(host: string, maxAgeMs: number): Resolution | null {
    const known = cache.get(host)
    if (known === undefined) return null
    const validMs = 'code' in known.resolution ? failureLifetimeMs : lifetimeMs
    return clock.now() - known.foundAt < Math.min(validMs, maxAgeMs) ? known.resolution : null
  }

  async function run(flight: Flight, startedAt: number): Promise<void> {
    flight.startedAt = startedAt
    const resolution = await ask(lookup, flight.host)
    const isFailure = 'code' in resolution && !isNoSuchName(resolution.code)
    const isUnresponsive = isFailure && clock.now() - startedAt >= unresponsiveAfterMs
    lanes.end(flight, isUnresponsive)
    flights.delete(flight.host)
    remember(flight.host, resolution, isUnresponsive)
    for (const answer of flight.callers) answer(resolution)
    runNext()
  }

  function runNext(): void {
    if (closed) return
    for (let flight = lanes.next(); flight !== undefined; flight = lanes.next()) void run(flight, clock.now())
  }

  function join(host: string): Flight {
    const underWay = flights.get(host)
    if (underWay !== undefined) return underWay
    const known = cache.get(host)
    const expectation = known === undefined ? 'new' : known.isUnresponsive ? 'unresponsive' : 'responsive'
    const flight: Flight = { host, expectation, callers: new Set(), startedAt: null }
    flights.set(host, flight)
    lanes.add(flight)
    return flight
  }

  function leave(flight: Flight, caller: Caller): void {
    flight.callers.delete(caller)
    if (flight.callers.size === 0 && lanes.remove(flight)) flights.delete(flight.host)
  }

  return {
    recall: (host) => recall(host.toLowerCase(), lifetimeMs),
    resolve(name, deadline, maxAgeMs = lifetimeMs) {
      if (closed) return Promise.resolve(null)
      const host = name.toLowerCase()
      const known = recall(host, maxAgeMs)
      if (known !== null) return Promise.resolve(known)
      const askedAt = clock.now()
      return new Promise((done) => {
        const flight = join(host)
        const answer: Caller = (resolution) => {
          cancelDeadline()
          done(resolution)
        }
        const cancelDeadline = atDeadline(clock, deadline, () => {
          leave(flight, answer)
          done(hadThread(flight, askedAt, clock.now()) ? null : { code: 'EQUEUED' })
        })
        flight.callers.add(answer)
        runNext()
      })
    },
    close() {
      closed = true
      lanes.clear()
      for (const flight of flights.values()) for (const answer of flight.callers) answer(null)
      flights.clear()
    },
  }
}

/** Returns whether a look-up had its thread for at least half of the time that a caller waited for it. */
function hadThread({ startedAt }: Flight, askedAt: number, now: number): boolean {
  return startedAt !== null && now - startedAt >= startedAt - askedAt
}

async function ask(lookup: Lookup, host: string): Promise<Resolution> {
  try {
    const [first, ...rest] = await lookup(host)
    // The system also returns ENOTFOUND for a name without any address.
    return first === undefined ? { code: 'ENOTFOUND' } : { addresses: [first, ...rest] }
  } catch (error) {
    return { code: codeOf(error) }
  }
}
