import type { Finding, Records } from './records.ts'

/** How long findings that nobody waits for are held for company, and how many go at once at the most. */
const holdMs = 20
const findingsPerBatch = 128

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

export function createOutbox(records: Records, send: (findings: Float64Array) => void): Outbox {
  let packed: number[] = []
  let count = 0
  let heldSince = 0
  let urgent = false

  return {
    add(finding, isUrgent) {
      if (count === 0) heldSince = finding.endedAt
      records.packFinding(packed, finding)
      count++
      urgent ||= isUrgent
    },
    dueAt: () => (count === 0 ? Number.POSITIVE_INFINITY : heldSince + holdMs),
    isDue(now, isLast) {
      if (count === 0) return false
      return urgent || isLast || count >= findingsPerBatch || now >= heldSince + holdMs
    },
    flush() {
      const batch = Float64Array.from(packed)
      packed = []
      count = 0
      urgent = false
      send(batch)
    },
  }
}
