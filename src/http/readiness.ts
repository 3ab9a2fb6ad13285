import type { Monitor } from '../monitor/monitor.ts'
import type { Replica } from '../replicas/replica.ts'
import type { ReplicaStatus } from '../replicas/replica-status.ts'
import type { RetryingStore } from '../store/retrying-store.ts'

/** One condition of readiness. `failure` is null while the condition holds. */
export type ReadinessCheck = {
  readonly name: string
  readonly failure: string | null
  /** A problem that does not make Porthole unready. */
  readonly note?: string | null
}

/** The readiness of Porthole itself for traffic. It never depends on the health of targets. */
export type Readiness = {
  checks(): ReadinessCheck[]
  /** Makes Porthole unready for good, because it is about to stop. */
  drain(): void
}

/**
 * Creates the readiness checks. `keeper` is the retrying store; null if this process has no store of its own. A replica that has lost its store
 * is ready all the same: it is solo, and otherwise all replicas would be out of service at once.
 */
export function createReadiness(
  monitor: Monitor,
  retryingStore: RetryingStore | null = null,
  replica: Pick<Replica, 'replicaStatus'> | null = null,
): Readiness {
  let swept = false
  let draining = false
  return {
    checks() {
      // The first sweep counts for good, because services that are added later must not take Porthole out of service.
      swept ||= monitor.sweptOnce()
      return [
        { name: 'first-sweep', failure: swept ? null : 'not every scheduled target has been checked yet' },
        ...(retryingStore === null ? [] : [{ name: 'store', failure: retryingStore.storeState().failure }]),
        ...(replica === null ? [] : [checkReplica(replica.replicaStatus())]),
        { name: 'shutdown', failure: draining ? 'Porthole is shutting down' : null },
      ]
    },
    drain() {
      draining = true
    },
  }
}

function checkReplica({ mode, failure }: ReplicaStatus): ReadinessCheck {
  const isJoining = mode === 'joining'
  return {
    name: 'replica',
    failure: isJoining ? `it has not joined the other replicas yet: ${failure}` : null,
    note: mode === 'solo' ? `solo: ${failure}` : null,
  }
}
