import { type Batch, type Finding, packFinding } from './records.ts'

/** How long findings that nobody waits for are held for company, and how many values go at once at the most. */
const holdMs = 20
const valuesPerBatch = 1024

/** Findings on their way to the main thread: one message wakes it for many. */
export type Outbox = {
  /** `urgent`: somebody waits for it, so that all go at the end of the turn. */
  add(finding: Finding, urgent: boolean): void
  /** When the oldest has waited long enough; infinity when there is none. */
  dueAt(): number
  /** Whether they should go now. `isLast`: no further findings are to be expected soon. */
  isDue(now: number, isLast: boolean): boolean
  flush(): void
}

export function createOutbox(send: (findings: Batch) => void): Outbox {
  let batch: Batch = []
  let heldSince = 0
  let urgent = false

  return {
    add(finding, isUrgent) {
      if (batch.length === 0) heldSince = finding.ending.endedAt
      packFinding(batch, finding)
      urgent ||= isUrgent
    },
    dueAt: () => (batch.length === 0 ? Number.POSITIVE_INFINITY : heldSince + holdMs),
    isDue(now, isLast) {
      if (batch.length === 0) return false
      return urgent || isLast || batch.length >= valuesPerBatch || now >= heldSince + holdMs
    },
    flush() {
      const full = batch
      batch = []
      urgent = false
      send(full)
    },
  }
}
