import { type Outcome, Reason } from '../domain/outcome.ts'
import { createColumns, rowOf, rowsPerPage } from './columns.ts'

/** What is remembered of a check. */
export type PastCheck = {
  /** When it ended: an instant of the clock in milliseconds, to a tenth of a second; less exactly before a gap of 54 minutes or more. */
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
    /** How long after the one before it ended, packed. */
    gap: new Uint16Array(slots * perSlot),
    /** The place of the reason in the list, and 16 times the SYNs sent again. */
    found: new Uint8Array(slots * perSlot),
    /** When the newest ended, exactly. */
    endedAt: new Float64Array(slots).fill(Number.NEGATIVE_INFINITY),
    count: new Uint8Array(slots),
    /** Where the next goes. */
    next: new Uint8Array(slots),
  }
}

/** What a slot takes: 5 bytes a check, and 10 for keeping count. */
export function slotBytes(perSlot: number): number {
  return Object.values(createPage(1, perSlot)).reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** Gaps below this are kept as they are. */
const exactTenths = 32_768
const longStepTenths = 26
const longestGap = 65_535

/**
 * Tenths of a second in two bytes: exact up to 54 minutes, then in steps of 2.6 seconds up to 24 and a half hours, which stand for
 * whatever is longer. By what such a gap was rounded, all that came before it is told late or early.
 */
function packGap(tenths: number): number {
  if (tenths < exactTenths) return tenths
  return Math.min(exactTenths + Math.round((tenths - exactTenths) / longStepTenths), longestGap)
}

function unpackGap(gap: number): number {
  return gap < exactTenths ? gap : exactTenths + (gap - exactTenths) * longStepTenths
}

/** Between whole tenths, so that gaps add up to what lies between the first and the last. */
function tenthOf(instant: number): number {
  return Math.floor(instant / tenthMs)
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
      const newestEndedAt = page.endedAt[row] as number
      const sinceNewestMs = endedAt - newestEndedAt
      if (sinceNewestMs <= 0) return
      const latency = Math.f16round(latencyMs === null ? Number.NaN : Math.min(latencyMs, greatestLatencyMs))
      const resent = synRetransmits === null ? unseen : Math.min(synRetransmits, unseen - 1)
      const found = Reason.options.indexOf(reason) + 16 * resent
      const newest = first + ((next + perSlot - 1) % perSlot)
      const isLike = page.found[newest] === found && Object.is(page.latencyMs[newest], latency)
      if (sinceNewestMs < toleranceMs && isLike) return
      page.latencyMs[first + next] = latency
      page.gap[first + next] = packGap(tenthOf(endedAt) - tenthOf(newestEndedAt))
      page.found[first + next] = found
      page.endedAt[row] = endedAt
      page.count[row] = Math.min(count + 1, perSlot)
      page.next[row] = (next + 1) % perSlot
    },
    read(slot) {
      const { page, row, first, count, next } = locate(slot)
      const checks: PastCheck[] = []
      let tenth = tenthOf(page.endedAt[row] as number)
      for (let back = 1; back <= count; back++) {
        const place = first + ((next + perSlot - back) % perSlot)
        const latency = page.latencyMs[place] as number
        const found = page.found[place] as number
        const resent = found >> 4
        checks.push({
          at: tenth * tenthMs,
          reason: Reason.options[found & 15] as Reason,
          latencyMs: Number.isNaN(latency) ? null : latency,
          synRetransmits: resent === unseen ? null : resent,
        })
        tenth -= unpackGap(page.gap[place] as number)
      }
      return checks.reverse()
    },
  }
}
