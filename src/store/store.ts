import type { Reason } from '../domain/check/outcome.ts'
import type { Gap } from '../domain/health/gap.ts'
import type { Status } from '../domain/health/status.ts'
import type { Step } from '../domain/service/lifetime.ts'
import type { Dating } from '../runtime/clock.ts'
import type { UnreadableEntry } from './unreadable.ts'

/** A service registered over HTTP, as the store holds it. */
export type Registration = {
  readonly name: string
  /** The definition that the client sent, as JSON text. A store does not parse it. */
  readonly definition: string
  /**
   * The version of the registration. Each change of any registration gets a revision that is larger than all before it, including those of
   * services that were deregistered. It is also at least the milliseconds since the epoch, so that revisions grow even if a store lost
   * everything.
   */
  readonly revision: number
}

/** A registration as it is read from the store. */
export type StoredRegistration = Registration & {
  /** The time at which it expired, in milliseconds since the epoch; absent while it is not expired. */
  readonly expiredAt?: number
}

/** The precondition of a change: `If-Match` and `If-None-Match` (RFC 9110 §13.1). A field that is left out does not matter. */
export type Condition = {
  /** The registration has one of these revisions; `*`: there is one. */
  readonly ifMatch?: '*' | readonly number[]
  /** There is no registration of that name, or one that is expired. */
  readonly ifNoneMatch?: '*'
}

/** A transition as the store holds it. Its time is milliseconds since the epoch, because instants mean nothing to the next process. */
export type StoredTransition = {
  readonly id: number
  readonly service: string
  readonly target: string | null
  readonly from: Status
  readonly to: Status
  readonly at: number
  readonly reason: Reason | null
  readonly message: string
}

/** The snapshot of a store. */
export type StoreSnapshot = {
  readonly registrations: readonly StoredRegistration[]
  /** The names of the drained services, in the order in which they were drained. A drained service need not be registered. */
  readonly drained: readonly string[]
  /** The transitions, the oldest first. The last transition of each service itself is among them, however old it is, unless it is to `unknown`. */
  readonly transitions: readonly StoredTransition[]
  /** The gaps in which no Porthole ran with this store, in milliseconds since the epoch; the oldest first. */
  readonly gaps: readonly Gap[]
  /** No transition after this id is missing, and no transition or gap since this time, in milliseconds since the epoch. */
  readonly completeAfter: { readonly id: number; readonly at: number }
  /** The last heartbeat of a Porthole with this store, in milliseconds since the epoch; null if there was none. */
  readonly aliveAt: number | null
  /** The entries that cannot be read. The other fields leave them out. */
  readonly unreadable?: readonly UnreadableEntry[]
}

/**
 * The result of an operation. A store that fails says why in a sentence, and has changed nothing. With `isUncertain` the change may have been
 * made, because no answer came.
 */
export type Stored<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: string; readonly isUncertain?: boolean }

/** The result of a put: the registration and the kind of the change, or a refusal. */
export type Put =
  | { readonly done: true; readonly registration: Registration; readonly change: 'created' | 'replaced' | 'none' }
  | Refused

/**
 * A change whose condition did not hold: the revision that the condition found, or null if there is no such registration. With `isUnreadable`
 * there is a registration that cannot be read, so that it has no revision. Only `If-Match: *` replaces or removes it.
 */
export type Refused = { readonly done: false; readonly revision: number | null; readonly isUnreadable?: true }

/** The result of a removal. */
export type Removed = { readonly done: true } | Refused

/** The ends of a gap whose times this process took from its own clock: only the end, or both. */
export type OwnEnds = 'to' | 'both'

/**
 * A store for the data that must outlast the process. A store of a single process gets the dating of the times that it is given. When the dating
 * changes by a step, the store corrects the times of the old dating by the same amount, in the same transaction. A change that a promise
 * confirms with `ok` outlives a crash, also of the machine if the store says so. Faults of the environment (disk full, file read-only or
 * corrupt) do not reject. Such a fault is a value, and the same call may succeed later.
 */
export type Store = {
  readonly name: 'memory' | 'sqlite' | 'redis'
  /** Reads the whole snapshot. */
  load(): Promise<Stored<StoreSnapshot>>
  /**
   * Registers a service, or replaces its definition. After that the registration is not expired. The same definition again changes nothing else
   * and keeps its revision. If several processes share the store, the time to live (`ttlMs`, in milliseconds) starts again for all of them. With
   * `ifNoneMatch` an expired registration is created again, with a new revision.
   */
  put(name: string, definition: string, condition: Condition, ttlMs?: number): Promise<Stored<Put>>
  /** Deletes a registration and the drain of its service. */
  remove(name: string, condition: Condition): Promise<Stored<Removed>>
  /**
   * Expires or deregisters a registration of this revision whose time to live has ended, unless another process has registered it again in this
   * store. Step `expire` marks it as expired, `deregister` deletes it. Neither ends a drain.
   */
  expire(name: string, revision: number, step: Step, dating?: Dating): Promise<Stored<Removed>>
  setDrained(name: string, drained: boolean): Promise<Stored<null>>
  /**
   * Adds transitions. Their ids are larger than all before. Deletes the oldest beyond the retention, except the last of each service itself,
   * unless that one is to `unknown`, as after a deregistration. A transition that is stored already is not added twice. `missing` means that
   * transitions between the last stored one and these were lost, so that the log is complete only after the first of these.
   */
  append(transitions: readonly StoredTransition[], missing: boolean, dating?: Dating): Promise<Stored<null>>
  /** Adds a gap, in milliseconds since the epoch. It replaces a stored gap that begins at the same time. */
  addGap(gap: Gap, dating?: Dating, ownEnds?: OwnEnds): Promise<Stored<null>>
  /** Writes a heartbeat, in milliseconds since the epoch, which also shows whether the store can be written. Deletes entries that are too old. */
  heartbeat(now: number, dating?: Dating): Promise<Stored<null>>
  close(): Promise<void>
}

/** How many transitions the store holds, and for how long, in milliseconds. The time applies to gaps too. */
export type Retention = { readonly maxCount: number; readonly maxAgeMs: number }
