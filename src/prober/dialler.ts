import type { Clock } from '../clock.ts'
import { tellHeld } from '../domain/held-note.ts'
import type { Outcome, Reason } from '../domain/outcome.ts'
import type { Close } from '../domain/policy-settings.ts'
import { formatAddress } from '../domain/target.ts'
import { createHeldNames, type Found } from './held-names.ts'
import type { CheckEnded, CheckRequest, Prober } from './prober.ts'
import { createRacer } from './race.ts'
import type { Resolver } from './resolver.ts'

/** One literal address to dial. `deadline` is an instant of the clock. */
export type Dial = {
  readonly ip: string
  readonly port: number
  readonly deadline: number
  readonly close: Close
  readonly urgent: boolean
}

/** How a dial ended. */
export type Ending = Omit<Outcome, 'startedAt' | 'address' | 'note' | 'lookupMs' | 'lookupFailedSince'>

/** A latency as it is told: no clock in use here tells less than a microsecond. In milliseconds. */
export function roundLatency(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** Dials literal addresses. The part of a prober that differs from one to the next. */
export type Dialler<Handle> = {
  readonly name: Prober['name']
  /**
   * Calls back once, after this call has returned; with undefined when it was closed first. Returns a handle to cancel the dial by;
   * null when there is nothing to cancel.
   */
  dial(dial: Dial, ended: (ending: Ending | undefined) => void): Handle | null
  /** Closes the socket of a dial that has not called back. Whether it still does, and with what, has no meaning. */
  cancel(handle: Handle): void
  restarts(): number
  close(): Promise<void>
}

/** A prober that looks names up and dials their addresses, both within the check's one deadline. It owns the resolver. */
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

  /** Every dial comes through here with the very address that is dialled: no name is looked up after the rules have been asked. */
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
    return dialler.dial({ ip, port: target.port, deadline, close, urgent }, (ending) => {
      ended(ending === undefined ? undefined : outcomeOf(ending, startedAt, address))
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

  /** Dials the addresses of a name: one as a literal address is dialled, several in a race. */
  function dialAll(addresses: readonly string[], request: CheckRequest, startedAt: number, ended: CheckEnded): void {
    const [ip] = addresses
    if (ip === undefined || addresses.length > 1 || request.tellAddress) {
      racer.race(addresses, request, startedAt, ended)
      return
    }
    dial(ip, formatAddress(ip, request.target.port), request, startedAt, startedAt + request.timeoutMs, ended)
  }

  async function lookUp(request: CheckRequest, startedAt: number, ended: CheckEnded): Promise<void> {
    const found = await names.find(request, startedAt)
    const told = {
      lookupMs: found.lookupMs === null ? null : roundLatency(found.lookupMs),
      lookupFailedSince: found.failedSince,
    }
    if (closed) ended(undefined)
    else if (found.addresses.length === 0) ended({ ...undialled(found.reason, startedAt, null, found.code), ...told })
    else
      dialAll(found.addresses, request, startedAt, (outcome) =>
        ended(outcome && { ...noteHeld(outcome, found), ...told }),
      )
  }

  /** Adds to an outcome that the name could not be looked up, where that is so. */
  function noteHeld(outcome: Outcome, { failedSince }: Found): Outcome {
    if (failedSince === null) return outcome
    const held = tellHeld(clock.toEpoch(failedSince), clock.toEpoch(outcome.endedAt))
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

/** Field by field: every check comes through here, and copying an object costs twice as much. */
function outcomeOf(ending: Ending, startedAt: number, address: string): Outcome {
  return {
    reason: ending.reason,
    startedAt,
    endedAt: ending.endedAt,
    address,
    latencyMs: ending.latencyMs,
    synRetransmits: ending.synRetransmits,
    answer: ending.answer,
    icmp: ending.icmp,
    code: ending.code,
    note: null,
    lookupMs: null,
    lookupFailedSince: null,
  }
}
