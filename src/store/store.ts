import type { Dating } from '../clock.ts'
import type { Absence } from '../domain/absence.ts'
import type { Step } from '../domain/lifetime.ts'
import type { Reason } from '../domain/outcome.ts'
import type { Status } from '../domain/status.ts'
import type { UnreadableEntry } from './unreadable.ts'

/** A service registered over HTTP, as it is kept. */
export type Registration = {
  readonly name: string
  /** What was sent, as JSON text. A store does not look into it. */
  readonly definition: string
  /**
   * Which version of the registration this is. Each change of any registration is given a larger one than all before it, of
   * services deregistered since too, and than the milliseconds since the epoch: so also by a store that lost everything.
   */
  readonly revision: number
}

/** A registration as it is read back. */
export type KeptRegistration = Registration & {
  /** When it expired, in milliseconds since the epoch; only while it is expired. */
  readonly expiredAt?: number
}

/** What must be so for a change to be made: `If-Match` and `If-None-Match` (RFC 9110 §13.1). What is left out does not matter. */
export type Condition = {
  /** The registration has one of these revisions; `*`: there is one. */
  readonly ifMatch?: '*' | readonly number[]
  /** There is no registration of that name, or one that is expired. */
  readonly ifNoneMatch?: '*'
}

/** A transition as it is kept: its time is milliseconds since the epoch, as instants mean nothing to the next process. */
export type KeptTransition = {
  readonly id: number
  readonly service: string
  readonly target: string | null
  readonly from: Status
  readonly to: Status
  readonly at: number
  readonly reason: Reason | null
  readonly message: string
}

/** All that a store keeps. */
export type Kept = {
  readonly registrations: readonly KeptRegistration[]
  /** The names of services that are drained, in the order in which they were. They need not be registered. */
  readonly drained: readonly string[]
  /** The oldest first. The last of each service itself is among them, however old it is, unless it is to `unknown`. */
  readonly transitions: readonly KeptTransition[]
  /** When no Porthole ran with this store, in milliseconds since the epoch; the oldest first. */
  readonly absences: readonly Absence[]
  /** No transition after this one is missing, and no transition or absence since that time, in milliseconds since the epoch. */
  readonly completeAfter: { readonly id: number; readonly at: number }
  /** When a Porthole with this store was last known to run, in milliseconds since the epoch; null: none ever was. */
  readonly aliveAt: number | null
  /** What is kept and cannot be read: it is left out above. */
  readonly unreadable?: readonly UnreadableEntry[]
}

/** What became of a wish: a store that cannot keep it says in a sentence why, and changed nothing; unless it is uncertain, as no answer came. */
export type Stored<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: string; readonly isUncertain?: boolean }

/** A put that was made and what it changed, or the revision that its condition found instead; null: there is no such registration. */
export type Put =
  | { readonly done: true; readonly registration: Registration; readonly change: 'created' | 'replaced' | 'none' }
  | Refused

/**
 * The revision that a condition found instead, or null: there is nothing of that name. `isUnreadable`: there is a registration that cannot be
 * read, so that it has no revision. Only `If-Match: *` replaces or removes it.
 */
export type Refused = { readonly done: false; readonly revision: number | null; readonly isUnreadable?: true }

/** A removal that was made, or why not. */
export type Removed = { readonly done: true } | Refused

/** Which ends of an absence this process told the time of: only when it began, or both. */
export type OwnEnds = 'to' | 'both'

/**
 * Keeps what must outlast the process. A store of this process alone is given the dating by which it is told times: when that
 * changes by a step, it corrects by as much the times it was told before, in the same transaction.
 * What a promise confirms with `ok` outlives a crash, of the machine too where the store
 * says so. Nothing rejects for what the world does (disk full, file read-only or corrupt): that is a value, and the same call
 * may succeed later.
 */
export type Store = {
  readonly name: 'memory' | 'sqlite' | 'redis'
  /** Reads everything. */
  load(): Promise<Stored<Kept>>
  /**
   * Registers a service, or replaces its definition. A registration is not expired after that. The same definition again changes
   * nothing else, and has the revision it had; but where several processes share the store, its time to live (`ttlMs`, in
   * milliseconds) counts anew for all of them. With `ifNoneMatch` an expired registration is created anew, with a new revision.
   */
  put(name: string, definition: string, condition: Condition, ttlMs?: number): Promise<Stored<Put>>
  /** Forgets a registration, and that the service was drained. */
  remove(name: string, condition: Condition): Promise<Stored<Removed>>
  /**
   * Takes a step with a registration of this revision whose time to live has ended, unless the store knows better: that it was
   * registered again elsewhere. `expire` notes that it is expired, `deregister` forgets it. Neither ends a drain.
   */
  expire(name: string, revision: number, step: Step, dating?: Dating): Promise<Stored<Removed>>
  setDrained(name: string, drained: boolean): Promise<Stored<null>>
  /**
   * Keeps transitions, whose ids are larger than all before, and forgets the oldest beyond what it was told to keep, but for the
   * last of each service itself, unless that is to `unknown`, as when it was deregistered. One that is kept already is kept
   * once. `missing`: some between these and the last were lost, so that it is complete only after the first of these.
   */
  append(transitions: readonly KeptTransition[], missing: boolean, dating?: Dating): Promise<Stored<null>>
  /** Keeps an absence, in milliseconds since the epoch; one that begins when a kept one does takes its place. */
  addAbsence(absence: Absence, dating?: Dating, ownEnds?: OwnEnds): Promise<Stored<null>>
  /**
   * Notes that Porthole runs at this time, in milliseconds since the epoch; and so whether the store can be written. Forgets what
   * is too old.
   */
  beat(now: number, dating?: Dating): Promise<Stored<null>>
  close(): Promise<void>
}

/** How many transitions are kept, and for how long, absences too, in milliseconds. */
export type Retention = { readonly maxCount: number; readonly maxAgeMs: number }
