import type { Clock } from '../clock.ts'
import type { Responsibility } from '../monitor/responsibility.ts'
import { createSignal } from '../monitor/signal.ts'
import type { Leases } from './leases.ts'
import { shardOf } from './shards.ts'

/**
 * How a replica stands to the others: `joining` until it knows what they know, then `linked`; `solo` while it has been without the store for
 * too long, or never had it.
 */
export type Mode = 'joining' | 'linked' | 'solo'

/** Which services this replica checks of its own accord: all while it is solo, none before it has joined, else those it holds the lease of. */
export type Assignment = Responsibility & {
  mode(): Mode
  enter(mode: Mode): void
  /** What others remember of the service is known here, so that whoever checks it goes on from there. */
  setRead(service: string, isRead: boolean): void
  isRead(service: string): boolean
  /** From now on these leases decide. */
  follow(leases: Pick<Leases, 'holds'>): void
}

export function createAssignment(clock: Clock): Assignment {
  const gained = createSignal<readonly string[]>()
  const read = new Set<string>()
  let mode: Mode = 'joining'
  let leases: Pick<Leases, 'holds'> = { holds: () => false }

  return {
    gained,
    covers(service) {
      if (mode !== 'linked') return mode === 'solo'
      return read.has(service) && leases.holds(shardOf(service), clock.now())
    },
    mode: () => mode,
    enter(next) {
      mode = next
    },
    setRead(service, isRead) {
      if (isRead) read.add(service)
      else read.delete(service)
    },
    isRead: (service) => read.has(service),
    follow(decided) {
      leases = decided
    },
  }
}
