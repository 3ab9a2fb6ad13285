/** Random histories of services: the recorded changes and gaps, and the known status of every millisecond. */
import fc from 'fast-check'
import type { Gap } from '../../src/domain/health/gap.ts'
import type { Status } from '../../src/domain/health/status.ts'
import type { StatusChange, StatusChanges } from '../../src/domain/health/uptime.ts'

export const anyStatus = fc.constantFrom<Status>('up', 'degraded', 'down', 'unknown')

type Lived = {
  readonly changes: { at: number; from: Status; to: Status }[]
  readonly gaps: Gap[]
  /** The known status of every millisecond. */
  readonly known: Status[]
  /** The status at the end. */
  status: Status
}

function begin(): Lived {
  return { changes: [], gaps: [], known: [], status: 'unknown' }
}

function hold(lived: Lived, status: Status, forMs: number): void {
  if (status !== lived.status) lived.changes.push({ at: lived.known.length, from: lived.status, to: status })
  lived.status = status
  for (let ms = 0; ms < forMs; ms++) lived.known.push(status)
}

/** The life of a service from its registration to its removal: how long each status held, in milliseconds, unknown first. */
const life = fc
  .array(fc.tuple(anyStatus, fc.integer({ min: 0, max: 20 })), { maxLength: 6 })
  .map((spans) => [['unknown', 3] as const, ...spans])

/** One to four lives, one after the other. */
export const anyLives = fc.array(life, { minLength: 1, maxLength: 4 }).map((lives) => {
  const lived = begin()
  for (const [index, spans] of lives.entries()) {
    // The removal at the end of the life before is recorded, even if the service was unknown.
    if (index > 0) lived.changes.push({ at: lived.known.length, from: lived.status, to: 'unknown' })
    lived.status = 'unknown'
    for (const [status, forMs] of spans) hold(lived, status, forMs)
  }
  return lived
})

/** A life with gaps in which Porthole was stopped. The status may be another one after a gap. */
export const anyLifeWithGaps = fc
  .array(fc.tuple(anyStatus, fc.integer({ min: 1, max: 20 }), fc.nat(20)), { minLength: 1, maxLength: 8 })
  .map((stays) => {
    const lived = begin()
    for (const [status, heldMs, absentMs] of stays) {
      hold(lived, status, heldMs)
      const from = lived.known.length
      if (absentMs > 0) lived.gaps.push({ from, to: from + absentMs })
      for (let ms = 0; ms < absentMs; ms++) lived.known.push('unknown')
    }
    return lived
  })

/** Creates the columns of these changes. */
export function createStatusChanges(changes: readonly StatusChange[] = []): StatusChanges {
  return { at: changes.map(({ at }) => at), from: changes.map(({ from }) => from), to: changes.map(({ to }) => to) }
}
