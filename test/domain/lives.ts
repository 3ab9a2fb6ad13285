/** Services' lives, lived millisecond by millisecond: what was noted of them, and what can be known of every millisecond. */
import fc from 'fast-check'
import type { Absence } from '../../src/domain/absence.ts'
import type { Status } from '../../src/domain/status.ts'

export const anyStatus = fc.constantFrom<Status>('up', 'degraded', 'down', 'unknown')

type Lived = {
  readonly changes: { at: number; from: Status; to: Status }[]
  readonly absences: Absence[]
  /** By millisecond. */
  readonly known: Status[]
  /** In the end. */
  status: Status
}

function begin(): Lived {
  return { changes: [], absences: [], known: [], status: 'unknown' }
}

function hold(lived: Lived, status: Status, forMs: number): void {
  if (status !== lived.status) lived.changes.push({ at: lived.known.length, from: lived.status, to: status })
  lived.status = status
  for (let ms = 0; ms < forMs; ms++) lived.known.push(status)
}

/** A service's time from one registration to the next removal: how long each status held, in milliseconds; unknown first. */
const life = fc
  .array(fc.tuple(anyStatus, fc.integer({ min: 0, max: 20 })), { maxLength: 6 })
  .map((spans) => [['unknown', 3] as const, ...spans])

/** Lives one after the other. */
export const anyLives = fc.array(life, { minLength: 1, maxLength: 4 }).map((lives) => {
  const lived = begin()
  for (const [index, spans] of lives.entries()) {
    // The life before ended, and that is noted also of what was unknown.
    if (index > 0) lived.changes.push({ at: lived.known.length, from: lived.status, to: 'unknown' })
    lived.status = 'unknown'
    for (const [status, forMs] of spans) hold(lived, status, forMs)
  }
  return lived
})

/** A life during which Porthole was stopped at times, and found it as it was or changed. */
export const anyLifeWithAbsences = fc
  .array(fc.tuple(anyStatus, fc.integer({ min: 1, max: 20 }), fc.nat(20)), { minLength: 1, maxLength: 8 })
  .map((stays) => {
    const lived = begin()
    for (const [status, heldMs, absentMs] of stays) {
      hold(lived, status, heldMs)
      const from = lived.known.length
      if (absentMs > 0) lived.absences.push({ from, to: from + absentMs })
      for (let ms = 0; ms < absentMs; ms++) lived.known.push('unknown')
    }
    return lived
  })
