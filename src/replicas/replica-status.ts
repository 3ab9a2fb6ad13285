import type { ForeignWord } from '../domain/service/foreign-settings.ts'
import type { Mode } from './lease/shard-ownership.ts'

/** The status of this replica among the others. */
export type ReplicaStatus = {
  readonly id: string
  readonly mode: Mode
  /** Why this replica cannot work with the store now, as a sentence; null while it can. */
  readonly failure: string | null
  /** The live replicas, as of the last renewal. */
  readonly members: readonly string[]
  readonly shards: number
  /** Why this replica is stalled, as a sentence; null while it works. Others check in its place. */
  readonly stalled: string | null
}

/** An event for the log. */
export type ReplicaNews =
  | { readonly kind: 'linked'; readonly id: string; readonly members: readonly string[] }
  | { readonly kind: 'solo'; readonly id: string; readonly failure: string }
  | { readonly kind: 'lost'; readonly failure: string }
  | { readonly kind: 'members'; readonly joined: readonly string[]; readonly left: readonly string[] }
  | { readonly kind: 'idle'; readonly failure: string }
  | { readonly kind: 'working' }
  | { readonly kind: 'unread'; readonly problem: string }
  | { readonly kind: 'file'; readonly own: boolean }
  | { readonly kind: 'foreign'; readonly word: ForeignWord }
