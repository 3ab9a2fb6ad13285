import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock } from '../clock.ts'
import { handoverMs } from '../domain/policy.ts'
import type { Transition } from '../domain/transition.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { RedisSettings } from '../redis/connection.ts'
import { keysOf } from '../redis/keys.ts'
import { createRedisStore } from '../store/redis.ts'
import type { Retention, Store } from '../store/store.ts'
import { type Assignment, createAssignment } from './assignment.ts'
import { createLink } from './link.ts'
import { createReplica, type Replica, type ReplicaParts } from './replica.ts'
import { createSharedClock } from './shared-clock.ts'

/** What the parts of a Porthole that is one of several are made with, before there is a replica. */
export type Commons = {
  readonly id: string
  readonly clock: Clock
  /** What this replica checks. */
  readonly assignment: Assignment
  readonly store: Store
  /** Transitions found here while there is nobody to share them with. */
  readonly alone: Signal<Transition>
  /** Makes the replica, once there are the parts that it is about. */
  create(
    parts: Pick<
      ReplicaParts,
      'monitor' | 'loop' | 'log' | 'registry' | 'registrations' | 'apply' | 'pauses' | 'unreadable'
    >,
  ): Replica
}

/** The way to what all replicas of a namespace share. Connects to nothing yet. */
export function openCommons(
  { namespace, ...settings }: RedisSettings & { readonly namespace: string },
  { retention, clock: machineClock }: { retention: Retention; clock: Clock },
): Commons {
  const id = nameReplica()
  const keys = keysOf(namespace)
  const link = createLink(settings, keys)
  const clock = createSharedClock(machineClock)
  const assignment = createAssignment(clock)
  const alone = createSignal<Transition>()
  const { run, send, caughtUp } = link
  const store = createRedisStore({ run, send, runLarge: link.bulk.run, keys, retention, caughtUp })
  const own = { id, link, keys, store, clock, assignment, alone, retention, handoverMs }
  return { id, clock, assignment, store, alone, create: (parts) => createReplica({ ...own, ...parts }) }
}

/** The machine's name (in Kubernetes the pod's), and what tells this process from the one before it. */
function nameReplica(): string {
  return `${hostname().replace(/[^\w.-]/g, '_') || 'porthole'}-${randomBytes(3).toString('hex')}`
}
