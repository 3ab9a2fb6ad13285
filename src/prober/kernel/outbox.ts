import type { Batch, Finding, Records } from './records.ts'

/** How long good news that nobody waits for is held for company, in milliseconds, and how many findings go at once at the most. */
const holdMs = 50
const findingsPerBatch = 128

/**
 * Findings on their way to the main thread. To wake it costs as much as a dozen checks. So connections that nobody waits for are
 * held until there is more to tell, or dials arrive: then the main thread is awake anyway.
 */
export type Outbox = {
  /** `urgent`: somebody waits for it, so that all go at the end of the turn. Bad news always is. */
  add(finding: Finding, urgent: boolean): void
  /** When the oldest has been held long enough; infinity when there is none. */
  dueAt(): number
  /** Whether they should go now. */
  isDue(now: number): boolean
  /** Sends what there is. */
  flush(): void
}

export function createOutbox(records: Records, send: (findings: Batch) => void): Outbox {
  let packed: number[] = []
  let count = 0
  let heldSince = 0
  let urgent = false

  return {
    add(finding, isUrgent) {
      if (count === 0) heldSince = finding.endedAt
      records.packFinding(packed, finding)
      count++
      urgent ||= isUrgent || finding.reason !== 'connected'
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
