import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Transition } from '../domain/health/transition.ts'
import { handoverMs } from '../domain/service/policy.ts'
import { createEmitter, type Emitter } from '../monitor/emitter.ts'
import type { RedisSettings } from '../redis/connection.ts'
import { keysOf } from '../redis/keys.ts'
import type { Clock } from '../runtime/clock.ts'
import { createRedisStore } from '../store/redis/redis.ts'
import type { Retention, Store } from '../store/store.ts'
import { createShardOwnership, type ShardOwnership } from './lease/shard-ownership.ts'
import { createRedisConnector } from './redis-connector.ts'
import { createReplica, type Replica, type ReplicaParts } from './replica.ts'
import { createSharedClock } from './shared-clock.ts'

/** The replica backend: the parts that exist before the replica itself. */
export type ReplicaBackend = {
  readonly id: string
  readonly clock: Clock
  /** Decides which services this replica checks. */
  readonly shardOwnership: ShardOwnership
  readonly store: Store
  /** Emits the transitions that this replica finds while it is solo. */
  readonly alone: Emitter<Transition>
  /** Creates the replica from the parts that it coordinates. */
  create(
    parts: Pick<
      ReplicaParts,
      'monitor' | 'scheduler' | 'log' | 'registry' | 'registrations' | 'apply' | 'pauses' | 'unreadable'
    >,
  ): Replica
}

/** Creates the backend for the replicas of one namespace. Does not connect yet. */
export function openReplicaBackend(
  { namespace, ...settings }: RedisSettings & { readonly namespace: string },
  { retention, clock: machineClock }: { retention: Retention; clock: Clock },
): ReplicaBackend {
  const id = nameReplica()
  const keys = keysOf(namespace)
  const redisConnector = createRedisConnector(settings, keys)
  const clock = createSharedClock(machineClock)
  const shardOwnership = createShardOwnership(clock)
  const alone = createEmitter<Transition>()
  const { run, send, caughtUp } = redisConnector
  const store = createRedisStore({ run, send, runLarge: redisConnector.bulk.run, keys, retention, caughtUp })
  const own = { id, redisConnector, keys, store, clock, shardOwnership, alone, retention, handoverMs }
  return { id, clock, shardOwnership, store, alone, create: (parts) => createReplica({ ...own, ...parts }) }
}

/** Returns the machine's name (in Kubernetes the pod's) with a random suffix, which differs for each process. */
function nameReplica(): string {
  return `${hostname().replace(/[^\w.-]/g, '_') || 'porthole'}-${randomBytes(3).toString('hex')}`
}
