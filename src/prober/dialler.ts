import { isIP } from 'node:net'
import type { Clock } from '../clock.ts'
import type { Outcome, Reason } from '../domain/outcome.ts'
import type { Close } from '../domain/service.ts'
import { formatAddress } from '../domain/target.ts'
import { reasonOfLookup } from './errno.ts'
import type { Prober } from './prober.ts'
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

/** Dials literal addresses. The part of a prober that differs from one to the next. */
export type Dialler = {
  readonly name: Prober['name']
  /** Undefined when it was closed first. Never rejects. */
  dial(dial: Dial): Promise<Ending | undefined>
  restarts(): number
  close(): Promise<void>
}

/** A prober that looks names up and dials the first address, both within the check's one deadline. It owns the resolver. */
export function proberOf(dialler: Dialler, { clock, resolver }: { clock: Clock; resolver: Resolver }): Prober {
  let closed = false

  return {
    name: dialler.name,
    restarts: dialler.restarts,

    async check({ target, timeoutMs, close, urgent }) {
      if (closed) return undefined
      const startedAt = clock.now()
      const deadline = startedAt + timeoutMs
      const unresolved = (reason: Reason, code: string | null): Outcome => ({
        reason,
        startedAt,
        endedAt: clock.now(),
        address: null,
        latencyMs: null,
        synRetransmits: null,
        answer: null,
        icmp: null,
        code,
      })

      let ip = target.host
      if (isIP(ip) === 0) {
        const resolution = await resolver.resolve(target.host, deadline)
        if (closed) return undefined
        if (resolution === null) return unresolved('local', null)
        if ('code' in resolution) return unresolved(reasonOfLookup(resolution.code), resolution.code)
        ip = resolution.addresses[0]
      }
      const ending = await dialler.dial({ ip, port: target.port, deadline, close, urgent })
      if (ending === undefined) return undefined
      // No clock in use here tells less than a microsecond.
      const latencyMs = ending.latencyMs === null ? null : Math.round(ending.latencyMs * 1000) / 1000
      return { ...ending, latencyMs, startedAt, address: formatAddress(ip, target.port) }
    },

    async close() {
      closed = true
      resolver.close()
      await dialler.close()
    },
  }
}
