import type { Clock } from '../clock.ts'
import type { Outcome, Reason } from '../domain/outcome.ts'
import { parseTarget } from '../domain/target.ts'
import { atDeadline } from './deadline.ts'
import { reasonOfLookup } from './errno.ts'
import type { CheckRequest } from './prober.ts'
import type { Resolution, Resolver } from './resolver.ts'

/**
 * How long a look-up may be silent before a check goes on with the addresses known last: a share of the timeout, and a time in
 * milliseconds. That leaves a check with the default timeout the time for one lost packet.
 */
const patienceShare = 0.25
const mostPatienceMs = 1000
/** How many names have addresses known last. */
const mostNames = 10_000

/** What a check knows of a name. Without addresses, `reason` and `code` say why. */
export type Found = {
  readonly addresses: readonly string[]
  readonly reason: Reason
  readonly code: string | null
  /** The look-up that the check waited for, in milliseconds; the one before where that took longer than this check waited. Null without one. */
  readonly lookupMs: number | null
  /** Since when the name, which was looked up before, cannot be; null while it can. */
  readonly failedSince: number | null
}

/** What is remembered of a name. */
type Known = {
  readonly addresses: readonly string[]
  /** When the first look-up began that was silent, since the last answer; null when none was. */
  silentSince: number | null
  /** How long the last answer took that came after its check had gone on; null when it came before. */
  lateMs: number | null
}

/** Looks names up for checks, and remembers their addresses for the time when look-ups fail. */
export type HeldNames = {
  /** The addresses of a name, if the resolver has them cached. */
  recall(host: string): readonly [string, ...string[]] | null
  /** Looks a name up that is not cached. Never rejects, and ends at the deadline of the check at the latest. */
  find(request: CheckRequest, startedAt: number): Promise<Found>
}

export function createHeldNames({ clock, resolver }: { clock: Clock; resolver: Resolver }): HeldNames {
  const names = new Map<string, Known>()

  function remember(host: string, addresses: readonly string[], lateMs: number | null): void {
    const known = names.get(host)
    // Nearly always: an answer that the resolver has cached is the same list.
    if (known?.addresses === addresses && known.silentSince === null && known.lateMs === lateMs) return
    put(host, { addresses, silentSince: null, lateMs })
  }

  function put(host: string, known: Known): void {
    names.delete(host)
    names.set(host, known)
    const [oldest] = names.keys()
    if (names.size > mostNames && oldest !== undefined) names.delete(oldest)
  }

  /**
   * The addresses to check while the name cannot be looked up, and since when it cannot. After a takeover or a restart the address
   * of the last outcome is all there is.
   */
  function heldFor({ target, memory, lookupHoldMs = 0 }: CheckRequest, startedAt: number) {
    const outcome = memory?.health.lastOutcome ?? null
    const known = names.get(target.host)
    const failedSince = outcome?.lookupFailedSince ?? null
    const since = failedSince ?? known?.silentSince ?? startedAt
    const addresses = known?.addresses ?? addressesIn(outcome)
    return { failedSince, addresses: startedAt - since < lookupHoldMs ? addresses : [] }
  }

  async function lookUp(request: CheckRequest, startedAt: number): Promise<Found> {
    const { host } = request.target
    const { timeoutMs } = request
    const looking = resolver.resolve(host, startedAt + timeoutMs)
    const { addresses, failedSince } = heldFor(request, startedAt)
    const patienceMs = Math.min(timeoutMs * patienceShare, mostPatienceMs)
    const resolution = await (addresses.length === 0 ? looking : answerBefore(looking, startedAt + patienceMs))
    const lookupMs = clock.now() - startedAt
    if (resolution === 'silent') return goOn(host, { addresses, failedSince, startedAt, lookupMs, looking })
    if (resolution !== null && 'addresses' in resolution) {
      remember(host, resolution.addresses, null)
      return found(resolution.addresses, lookupMs, null)
    }
    return fail(host, resolution, { addresses, failedSince, startedAt, lookupMs })
  }

  /** The answer of a look-up, or that it was silent until an instant. */
  function answerBefore(looking: Promise<Resolution | null>, instant: number): Promise<Resolution | null | 'silent'> {
    return new Promise((done) => {
      const callOff = atDeadline(clock, instant, () => done('silent'))
      void looking.then((resolution) => {
        callOff()
        done(resolution)
      })
    })
  }

  type Held = {
    readonly addresses: readonly string[]
    readonly failedSince: number | null
    readonly startedAt: number
    readonly lookupMs: number
  }

  /**
   * Goes on with the addresses known last. An answer that still comes counts from the next check on. A look-up that is only slow is no
   * failure: the name cannot be looked up once a second one is silent before the first was answered.
   */
  function goOn(host: string, held: Held & { readonly looking: Promise<Resolution | null> }): Found {
    const { addresses, startedAt, lookupMs, looking } = held
    const known = names.get(host) ?? { addresses, silentSince: null, lateMs: null }
    put(host, known)
    const failedSince = held.failedSince ?? known.silentSince
    known.silentSince ??= startedAt
    void looking.then((resolution) => {
      if (resolution === null) return
      if ('addresses' in resolution) remember(host, resolution.addresses, clock.now() - startedAt)
      else if (reasonOfLookup(resolution.code) === 'dns') names.delete(host)
    })
    return found(addresses, Math.max(lookupMs, known.lateMs ?? 0), failedSince)
  }

  function fail(host: string, resolution: { readonly code: string } | null, held: Held): Found {
    const { addresses, failedSince, startedAt, lookupMs } = held
    const code = resolution?.code ?? null
    const reason = code === null ? 'local' : reasonOfLookup(code)
    // That a name does not exist is an answer: it has no address any more.
    if (reason === 'dns') names.delete(host)
    if (reason === 'dns' || addresses.length === 0)
      return { addresses: [], reason, code, lookupMs, failedSince: reason === 'dns' ? null : failedSince }
    return found(addresses, lookupMs, failedSince ?? names.get(host)?.silentSince ?? startedAt)
  }

  return {
    recall(host) {
      const cached = resolver.recall(host)
      if (cached === null || 'code' in cached) return null
      remember(host, cached.addresses, names.get(host)?.lateMs ?? null)
      return cached.addresses
    },
    find: lookUp,
  }
}

/** The address that an outcome tells of, as a list of IPs. */
function addressesIn(outcome: Outcome | null): readonly string[] {
  if (outcome === null || outcome.address === null) return []
  const target = parseTarget(outcome.address)
  return typeof target === 'string' || target.address === null ? [] : [target.host]
}

function found(addresses: readonly string[], lookupMs: number | null, failedSince: number | null): Found {
  return { addresses, reason: 'connected', code: null, lookupMs, failedSince }
}
