import type { Clock } from '../clock.ts'
import type { Outcome, Reason } from '../domain/outcome.ts'
import type { Close } from '../domain/policy.ts'
import { formatAddress } from '../domain/target.ts'
import { reasonOfLookup } from './errno.ts'
import type { CheckEnded, CheckRequest, Prober } from './prober.ts'
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
export type Ending = Omit<Outcome, 'startedAt' | 'address'>

/** A latency as it is told: no clock in use here tells less than a microsecond. In milliseconds. */
export function roundLatency(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** Dials literal addresses. The part of a prober that differs from one to the next. */
export type Dialler = {
  readonly name: Prober['name']
  /** Calls back once, after this call has returned; with undefined when it was closed first. */
  dial(dial: Dial, ended: (ending: Ending | undefined) => void): void
  restarts(): number
  close(): Promise<void>
}

/** A prober that looks names up and dials the first address, both within the check's one deadline. It owns the resolver. */
export function proberOf(dialler: Dialler, { clock, resolver }: { clock: Clock; resolver: Resolver }): Prober {
  let closed = false

  /** Every dial comes through here with the very address that is dialled: no name is looked up after the rules have been asked. */
  function dial(ip: string, address: string, request: CheckRequest, startedAt: number, ended: CheckEnded): void {
    const { target, timeoutMs, close, urgent, rules } = request
    const rule = rules?.denial(ip) ?? null
    if (rule !== null) {
      const outcome = undialled('denied', startedAt, address, rule)
      queueMicrotask(() => ended(outcome))
      return
    }
    dialler.dial({ ip, port: target.port, deadline: startedAt + timeoutMs, close, urgent }, (ending) => {
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
    }
  }

  async function resolve(request: CheckRequest, startedAt: number, ended: CheckEnded): Promise<void> {
    const unresolved = (reason: Reason, code: string | null) => undialled(reason, startedAt, null, code)
    const { host, port } = request.target
    const resolution = await resolver.resolve(host, startedAt + request.timeoutMs)
    if (closed) ended(undefined)
    else if (resolution === null) ended(unresolved('local', null))
    else if ('code' in resolution) ended(unresolved(reasonOfLookup(resolution.code), resolution.code))
    else {
      // A name whose first address is denied is denied, though another might do: which address is checked
      // must not change with the rules, and a name that mixes them is likelier a trick than a service.
      const [ip] = resolution.addresses
      dial(ip, formatAddress(ip, port), request, startedAt, ended)
    }
  }

  return {
    name: dialler.name,
    restarts: dialler.restarts,
    check(request, ended) {
      const startedAt = clock.now()
      const { host, address } = request.target
      if (closed) queueMicrotask(() => ended(undefined))
      else if (address !== null) dial(host, address, request, startedAt, ended)
      else void resolve(request, startedAt, ended)
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
  const { reason, endedAt, latencyMs, synRetransmits, answer, icmp, code } = ending
  return { reason, startedAt, endedAt, address, latencyMs, synRetransmits, answer, icmp, code }
}
