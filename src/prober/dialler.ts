import { describeLastKnown } from '../domain/check/last-known-note.ts'
import type { Outcome, Reason } from '../domain/check/outcome.ts'
import type { Close } from '../domain/service/policy-settings.ts'
import { formatAddress } from '../domain/target/target.ts'
import type { Clock } from '../runtime/clock.ts'
import { createHeldNames, type Found } from './lookup/held-names.ts'
import type { Resolver } from './lookup/resolver.ts'
import type { CheckEnded, CheckRequest, Prober } from './prober.ts'
import { createRacer } from './race.ts'

/** The dial of one literal address. `deadline` is an instant of the clock. */
export type Dial = {
  readonly ip: string
  readonly port: number
  readonly deadline: number
  readonly close: Close
  readonly urgent: boolean
}

/** The result of a dial. */
export type DialResult = Omit<Outcome, 'startedAt' | 'address' | 'note' | 'lookupMs' | 'lookupFailedSince'>

/** Rounds a latency in milliseconds to a whole microsecond, because no clock in use here is finer. */
export function roundLatency(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** Code that dials literal addresses. Each prober has its own. */
export type Dialler<Handle> = {
  readonly name: Prober['name']
  /**
   * Dials an address. Calls back once, after this call has returned, with undefined if the dialler was closed first. Returns a handle that
   * cancels the dial; null when there is nothing to cancel.
   */
  dial(dial: Dial, ended: (dialResult: DialResult | undefined) => void): Handle | null
  /** Closes the socket of a dial that has not called back. The dial may still call back, and the caller has to ignore that. */
  cancel(handle: Handle): void
  restarts(): number
  close(): Promise<void>
}

/** Builds a prober that looks up names and dials their addresses, both within the one deadline of the check. The prober owns the resolver. */
export function proberOf<Handle>(
  dialler: Dialler<Handle>,
  { clock, resolver, maxExtraDials }: { clock: Clock; resolver: Resolver; maxExtraDials?: number | undefined },
): Prober {
  let closed = false
  const names = createHeldNames({ clock, resolver })
  const racer = createRacer<Handle>({
    clock,
    maxExtraDials,
    cancel: dialler.cancel,
    dial: (ip, request, startedAt, deadline, ended) =>
      dial(ip, formatAddress(ip, request.target.port), request, startedAt, deadline, ended),
  })

  /** Applies the dial rules to a literal address and dials it. Every dial takes this path, so no look-up can follow the decision of the rules. */
  function dial(
    ip: string,
    address: string,
    request: CheckRequest,
    startedAt: number,
    deadline: number,
    ended: CheckEnded,
  ): Handle | null {
    const { target, close, urgent, rules } = request
    const rule = rules?.denial(ip) ?? null
    if (rule !== null) {
      const outcome = undialled('denied', startedAt, address, rule)
      queueMicrotask(() => ended(outcome))
      return null
    }
    return dialler.dial({ ip, port: target.port, deadline, close, urgent }, (dialResult) => {
      ended(dialResult === undefined ? undefined : outcomeOf(dialResult, startedAt, address))
    })
  }

  function undialled(reason: Reason, startedAt: number, address: string | null, code: string | null): Outcome {
    const endedAt = clock.now()
    return {
      reason,
      startedAt,
      endedAt,
      address,
      latencyMs: null,
      synRetransmits: null,
      answer: null,
      icmp: null,
      code,
      note: null,
      lookupMs: null,
      lookupFailedSince: null,
    }
  }

  /** Dials the addresses of a name: a single one directly, several in a race. */
  function dialAll(addresses: readonly string[], request: CheckRequest, startedAt: number, ended: CheckEnded): void {
    const [ip] = addresses
    if (ip === undefined || addresses.length > 1 || request.onAddress) {
      racer.race(addresses, request, startedAt, ended)
      return
    }
    dial(ip, formatAddress(ip, request.target.port), request, startedAt, startedAt + request.timeoutMs, ended)
  }

  async function lookUp(request: CheckRequest, startedAt: number, ended: CheckEnded): Promise<void> {
    const found = await names.find(request, startedAt)
    const details = {
      lookupMs: found.lookupMs === null ? null : roundLatency(found.lookupMs),
      lookupFailedSince: found.failedSince,
    }
    if (closed) ended(undefined)
    else if (found.failure !== null) {
      const { reason, code } = found.failure
      ended({ ...undialled(reason, startedAt, null, code), ...details })
    } else
      dialAll(found.addresses, request, startedAt, (outcome) =>
        ended(outcome && { ...recordHeld(outcome, found), ...details }),
      )
  }

  /** Adds a note to an outcome if look-ups of the name fail. */
  function recordHeld(outcome: Outcome, { failedSince }: Found): Outcome {
    if (failedSince === null) return outcome
    const held = describeLastKnown(clock.toEpoch(failedSince), clock.toEpoch(outcome.endedAt))
    return { ...outcome, note: outcome.note === null ? held : `${outcome.note}; ${held}` }
  }

  return {
    name: dialler.name,
    restarts: dialler.restarts,
    check(request, ended) {
      const startedAt = clock.now()
      const { host, address } = request.target
      if (closed) queueMicrotask(() => ended(undefined))
      else if (address !== null) dial(host, address, request, startedAt, startedAt + request.timeoutMs, ended)
      else {
        const cached = names.recall(host)
        if (cached === null) void lookUp(request, startedAt, ended)
        else dialAll(cached, request, startedAt, ended)
      }
    },
    async close() {
      closed = true
      resolver.close()
      await dialler.close()
    },
  }
}

/** Builds an outcome from the result of a dial, field by field. Every check takes this path, and a copied object costs twice as much. */
function outcomeOf(dialResult: DialResult, startedAt: number, address: string): Outcome {
  return {
    reason: dialResult.reason,
    startedAt,
    endedAt: dialResult.endedAt,
    address,
    latencyMs: dialResult.latencyMs,
    synRetransmits: dialResult.synRetransmits,
    answer: dialResult.answer,
    icmp: dialResult.icmp,
    code: dialResult.code,
    note: null,
    lookupMs: null,
    lookupFailedSince: null,
  }
}
