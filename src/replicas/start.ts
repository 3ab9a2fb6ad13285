import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { RedisSettings } from '../redis/connection.ts'
import { type Keys, keysOf } from '../redis/keys.ts'
import { createRedisStore } from '../store/redis.ts'
import type { Retention, Store } from '../store/store.ts'
import { createLink, type Link } from './link.ts'

/** What a replica shares with the others, before it knows any of it. */
export type Commons = { readonly id: string; readonly link: Link; readonly keys: Keys; readonly store: Store }

/** The way to what all replicas of a namespace share. Connects to nothing yet. */
export function openCommons(
  { namespace, ...settings }: RedisSettings & { readonly namespace: string },
  retention: Retention,
): Commons {
  const keys = keysOf(namespace)
  const link = createLink(settings, keys)
  const { run, send, caughtUp } = link
  return { id: nameReplica(), link, keys, store: createRedisStore({ run, send, keys, retention, caughtUp }) }
}

/** The machine's name (in Kubernetes the pod's), and what tells this process from the one before it. */
function nameReplica(): string {
  return `${hostname().replace(/[^\w.-]/g, '_') || 'porthole'}-${randomBytes(3).toString('hex')}`
}
