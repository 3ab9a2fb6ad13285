import { verdictOf } from '../../domain/check/outcome.ts'
import type { Batch, KernelResult, Records } from './records.ts'

/** How long a result that is up is held if no client waits for it, in milliseconds, and the most results in one message. */
const holdMs = 50
const findingsPerBatch = 128

/**
 * The batch of dial results for the main thread. Waking that thread costs as much as a dozen checks. So results that are up are held if no client
 * waits for them until there are more results, or until dials arrive, because then the main thread is awake anyway.
 */
export type Outbox = {
  /** Adds a result. If a client waits for it (`urgent`), or it is not up, the batch is sent at the end of the turn. */
  add(kernelResult: KernelResult, urgent: boolean): void
  /** Returns the instant at which the oldest result has to be sent; infinity when there is none. */
  dueAt(): number
  /** Returns whether the batch has to be sent now. */
  isDue(now: number): boolean
  /** Sends the batch unless it is empty. */
  flush(): void
}

/** Creates an empty outbox. `send` sends a batch to the main thread. */
export function createOutbox(records: Records, send: (findings: Batch) => void): Outbox {
  let packed: number[] = []
  let count = 0
  let heldSince = 0
  let urgent = false

  return {
    add(kernelResult, isUrgent) {
      if (count === 0) heldSince = kernelResult.endedAt
      records.packKernelResult(packed, kernelResult)
      count++
      urgent ||= isUrgent || verdictOf(kernelResult.reason) !== 'up'
    },
    dueAt: () => (count === 0 ? Number.POSITIVE_INFINITY : heldSince + holdMs),
    isDue: (now) => urgent || count >= findingsPerBatch || (count > 0 && now >= heldSince + holdMs),
    flush() {
      if (count === 0) return
      const batch = new Float64Array(packed)
      packed = []
      count = 0
      urgent = false
      send(batch)
    },
  }
}
