import type { ForeignWord } from '../domain/foreign-settings.ts'
import type { Mode } from './assignment.ts'

/** How this replica stands to the others. */
export type Standing = {
  readonly id: string
  readonly mode: Mode
  /** Why it cannot reach the store now, as a sentence; null while it can. */
  readonly failure: string | null
  /** Those that are live, as it last heard. */
  readonly members: readonly string[]
  readonly shards: number
  /** Why it does not work, so that others check in its place, as a sentence; null while it does. */
  readonly idle: string | null
}

/** What the log is told. */
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
