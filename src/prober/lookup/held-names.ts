import type { Outcome, Reason } from '../../domain/check/outcome.ts'
import { parseTarget } from '../../domain/target/target.ts'
import type { Clock } from '../../runtime/clock.ts'
import { atDeadline } from '../deadline.ts'
import { isNoSuchName, reasonOfLookup } from '../errno.ts'
import type { CheckRequest } from '../prober.ts'
import type { Resolution, Resolver } from './resolver.ts'

/**
 * How long a check waits for a look-up before it uses the last known addresses: a share of the timeout, at most a time in milliseconds. A
 * check with the default timeout then still has time for one lost packet.
 */
const patienceShare = 0.25
const mostPatienceMs = 1000
/** The most names that have last known addresses. */
const mostNames = 10_000

/** The addresses of a name for a check. */
export type Found = {
  readonly addresses: readonly string[]
  /** Why there is no address; null with addresses. */
  readonly failure: { readonly reason: Reason; readonly code: string | null } | null
  /**
   * How long the check waited for the look-up, in milliseconds. If the look-up before was answered late and took longer, its time counts
   * instead. Null without a look-up.
   */
  readonly lookupMs: number | null
  /** Since when look-ups of the name fail, after one that succeeded; null while they work. */
  readonly failedSince: number | null
}

/** The state of a name between look-ups. */
type Known = {
  readonly addresses: readonly string[]
  /** When the first silent look-up since the last answer began; null when there is none. */
  silentSince: number | null
  /** How long the last answer took if its check had already stopped waiting, in milliseconds; null if it had not. */
  lateMs: number | null
}

/** Look-ups for checks, which remember the addresses of names for the time when look-ups fail. */
export type HeldNames = {
  /** Returns the addresses of a name if the resolver has them cached; null otherwise. */
  recall(host: string): readonly [string, ...string[]] | null
  /** Looks up a name that is not cached. Never rejects. Ends no later than the deadline of the check. */
  find(request: CheckRequest, startedAt: number): Promise<Found>
}

/** Creates look-ups on top of a resolver, which they do not own. */
export function createHeldNames({ clock, resolver }: { clock: Clock; resolver: Resolver }): HeldNames {
  const names = new Map<string, Known>()

  function remember(host: string, addresses: readonly string[], lateMs: number | null): void {
    const known = names.get(host)
    // The fast path: the resolver returns the same list as long as it has the answer cached.
    if (known?.addresses === addresses && known.silentSince === null && known.lateMs === lateMs) return
    rememberName(host, { addresses, silentSince: null, lateMs })
  }

  function rememberName(host: string, known: Known): void {
    names.delete(host)
    names.set(host, known)
    const [oldest] = names.keys()
    if (names.size > mostNames && oldest !== undefined) names.delete(oldest)
  }

  /**
   * Returns the addresses to check while look-ups of the name fail, and since when they fail. After a takeover or a restart that is only the
   * address of the last outcome.
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
    if (resolution === 'silent') return useLastKnown(host, { addresses, failedSince, startedAt, lookupMs, looking })
    if (resolution !== null && 'addresses' in resolution) {
      remember(host, resolution.addresses, null)
      return found(resolution.addresses, lookupMs, null)
    }
    return fail(host, resolution, { addresses, failedSince, startedAt, lookupMs })
  }

  /** Returns the answer of a look-up; 'silent' when there was none before `instant`. */
  function answerBefore(looking: Promise<Resolution | null>, instant: number): Promise<Resolution | null | 'silent'> {
    return new Promise((done) => {
      const cancelDeadline = atDeadline(clock, instant, () => done('silent'))
      void looking.then((resolution) => {
        cancelDeadline()
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
   * Uses the last known addresses. A late answer counts from the next check on. One slow look-up is not a failure. Look-ups of the name count as
   * failing when a second one is silent before the first was answered.
   */
  function useLastKnown(host: string, held: Held & { readonly looking: Promise<Resolution | null> }): Found {
    const { addresses, startedAt, lookupMs, looking } = held
    const known = names.get(host) ?? { addresses, silentSince: null, lateMs: null }
    rememberName(host, known)
    const failedSince = held.failedSince ?? known.silentSince
    known.silentSince ??= startedAt
    void looking.then((resolution) => {
      if (resolution === null) return
      if ('addresses' in resolution) remember(host, resolution.addresses, clock.now() - startedAt)
      else if (isNoSuchName(resolution.code)) names.delete(host)
    })
    return found(addresses, Math.max(lookupMs, known.lateMs ?? 0), failedSince)
  }

  function fail(host: string, resolution: { readonly code: string } | null, held: Held): Found {
    const { addresses, failedSince, startedAt, lookupMs } = held
    const code = resolution?.code ?? null
    const reason = code === null ? 'local' : reasonOfLookup(code)
    const failure = { reason, code }
    if (code !== null && isNoSuchName(code)) {
      // "No such name" is an answer, so the last known addresses are dropped.
      names.delete(host)
      return { addresses: [], failure, lookupMs, failedSince: null }
    }
    if (addresses.length === 0) return { addresses: [], failure, lookupMs, failedSince }
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

/** Returns the address of an outcome as a list of IPs; empty without one. */
function addressesIn(outcome: Outcome | null): readonly string[] {
  if (outcome === null || outcome.address === null) return []
  const target = parseTarget(outcome.address)
  return typeof target === 'string' || target.address === null ? [] : [target.host]
}

function found(addresses: readonly string[], lookupMs: number | null, failedSince: number | null): Found {
  return { addresses, failure: null, lookupMs, failedSince }
}
