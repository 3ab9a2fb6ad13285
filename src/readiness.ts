import type { Monitor } from './monitor/monitor.ts'
import type { Replica } from './replicas/replica.ts'
import type { Standing } from './replicas/standing.ts'
import type { Keeper } from './store/keeper.ts'

/** One thing that must be so before Porthole is ready. `failure` is null while it is. */
export type ReadinessCheck = {
  readonly name: string
  readonly failure: string | null
  /** What is wrong all the same while it is so. */
  readonly note?: string | null
}

/** Whether Porthole itself is ready for traffic; never whether the targets are up. */
export type Readiness = {
  checks(): ReadinessCheck[]
  /** From now on not ready: Porthole is about to stop. */
  drain(): void
}

/**
 * `keeper` holds what must last; null where nothing does. A replica that has lost its store is ready all the same: it is solo, and
 * all of them would be gone at once.
 */
export function createReadiness(
  monitor: Monitor,
  keeper: Keeper | null = null,
  replica: Pick<Replica, 'standing'> | null = null,
): Readiness {
  let swept = false
  let draining = false
  return {
    checks() {
      // Once swept, for good: services added later must not take Porthole out of service.
      swept ||= monitor.sweptOnce()
      return [
        { name: 'first-sweep', failure: swept ? null : 'not every scheduled target has been checked yet' },
        ...(keeper === null ? [] : [{ name: 'store', failure: keeper.keeping().failure }]),
        ...(replica === null ? [] : [checkReplica(replica.standing())]),
        { name: 'shutdown', failure: draining ? 'Porthole is shutting down' : null },
      ]
    },
    drain() {
      draining = true
    },
  }
}

function checkReplica({ mode, failure }: Standing): ReadinessCheck {
  const isJoining = mode === 'joining'
  return {
    name: 'replica',
    failure: isJoining ? `it has not joined the other replicas yet: ${failure}` : null,
    note: mode === 'solo' ? `solo: ${failure}` : null,
  }
}
