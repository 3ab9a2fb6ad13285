import { type Outcome, Reason } from '../domain/outcome.ts'
import { createColumns, rowOf, rowsPerPage } from './columns.ts'

/** What is remembered of a check. */
export type PastCheck = {
  /** When it ended: an instant of the clock in milliseconds, to a tenth of a second. */
  readonly at: number
  readonly reason: Reason
  /** To three digits. */
  readonly latencyMs: number | null
  /** 14 stands for more, too. */
  readonly synRetransmits: number | null
}

/** The last checks of many targets, by their slots. */
export type PastChecks = {
  clear(slot: number): void
  /** Writes what a check found over the oldest, unless it is known, or older than the newest. */
  write(slot: number, outcome: Outcome): void
  /** The oldest first. */
  read(slot: number): PastCheck[]
}

const tenthMs = 100
const greatestLatencyMs = 65_504
/** Of SYNs sent again there are 4 bits: the last number stands for what the prober cannot see. */
const unseen = 15
/** An outcome that comes back from the store may have another time, by what clocks were corrected and rounded since. */
const toleranceMs = 50

function createPage(slots: number, perSlot: number) {
  return {
    /** Null is NaN. Half precision is a twentieth of a percent. */
    latencyMs: new Float16Array(slots * perSlot),
    /** When it ended, in tenths of a second: six years of the clock to either side. */
    tenths: new Int32Array(slots * perSlot),
    /** The place of the reason in the list, and 16 times the SYNs sent again. */
    found: new Uint8Array(slots * perSlot),
    /** When the newest ended, exactly. */
    endedAt: new Float64Array(slots).fill(Number.NEGATIVE_INFINITY),
    count: new Uint8Array(slots),
    /** Where the next goes. */
    next: new Uint8Array(slots),
  }
}

/** What a slot takes: 7 bytes a check, and 10 for keeping count. */
export function slotBytes(perSlot: number): number {
  return Object.values(createPage(1, perSlot)).reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** Keeps so many checks in a slot, at most 255. */
export function createPastChecks(perSlot: number): PastChecks {
  const columns = createColumns(() => createPage(rowsPerPage, perSlot))

  function locate(slot: number) {
    const page = columns.pageOf(slot)
    const row = rowOf(slot)
    return { page, row, first: row * perSlot, count: page.count[row] as number, next: page.next[row] as number }
  }

  return {
    clear(slot) {
      const { page, row } = locate(slot)
      page.count[row] = 0
      page.endedAt[row] = Number.NEGATIVE_INFINITY
    },
    write(slot, { reason, endedAt, latencyMs, synRetransmits }) {
      const { page, row, first, count, next } = locate(slot)
      const sinceNewestMs = endedAt - (page.endedAt[row] as number)
      if (sinceNewestMs <= 0) return
      const latency = Math.f16round(latencyMs === null ? Number.NaN : Math.min(latencyMs, greatestLatencyMs))
      const resent = synRetransmits === null ? unseen : Math.min(synRetransmits, unseen - 1)
      const found = Reason.options.indexOf(reason) + 16 * resent
      const newest = first + ((next + perSlot - 1) % perSlot)
      const isLike = page.found[newest] === found && Object.is(page.latencyMs[newest], latency)
      if (sinceNewestMs < toleranceMs && isLike) return
      page.latencyMs[first + next] = latency
      page.tenths[first + next] = Math.floor(endedAt / tenthMs)
      page.found[first + next] = found
      page.endedAt[row] = endedAt
      page.count[row] = Math.min(count + 1, perSlot)
      page.next[row] = (next + 1) % perSlot
    },
    read(slot) {
      const { page, first, count, next } = locate(slot)
      return Array.from({ length: count }, (_, index) => {
        const at = first + ((next + perSlot - count + index) % perSlot)
        const latency = page.latencyMs[at] as number
        const found = page.found[at] as number
        const resent = found >> 4
        return {
          at: (page.tenths[at] as number) * tenthMs,
          reason: Reason.options[found & 15] as Reason,
          latencyMs: Number.isNaN(latency) ? null : latency,
          synRetransmits: resent === unseen ? null : resent,
        }
      })
    },
  }
}
