import { createEmitter } from '../../monitor/emitter.ts'
import type { Ownership } from '../../monitor/ownership.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Leases } from './leases.ts'
import { shardOf } from './shards.ts'

/**
 * The state of a replica among the others. `joining`: it has not read the shared state yet. `linked`: it shares the work. `solo`: for 4 seconds (30
 * while it joins other replicas) it could not work with the store.
 */
export type Mode = 'joining' | 'linked' | 'solo'

/**
 * Shard ownership: decides which services this replica checks on schedule. A solo replica checks all services, and one that is joining checks none. A
 * linked replica checks a service if it has read its shared health and holds the lease of its shard.
 */
export type ShardOwnership = Ownership & {
  mode(): Mode
  enter(mode: Mode): void
  /**
   * Records whether this replica has read the shared health of a service. Only then may it check the service, so that its checks continue from that
   * health.
   */
  setRead(service: string, isRead: boolean): void
  isRead(service: string): boolean
  /** Uses these leases from now on. */
  useLeases(leases: Pick<Leases, 'holds'>): void
}

export function createShardOwnership(clock: Clock): ShardOwnership {
  const gained = createEmitter<readonly string[]>()
  const read = new Set<string>()
  let mode: Mode = 'joining'
  let leases: Pick<Leases, 'holds'> = { holds: () => false }

  return {
    gained,
    owns(service) {
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
    useLeases(decided) {
      leases = decided
    },
  }
}
