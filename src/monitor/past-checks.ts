import { type Outcome, Reason } from '../domain/outcome.ts'
import { createColumns, rowOf, rowsPerPage } from './columns.ts'

/** What is remembered of a check. */
export type PastCheck = {
  /**
   * When it ended: an instant of the clock in milliseconds, to a tenth of a second; less exactly, by 0.15 % of what lies between that and the
   * newest, where there are gaps of more than 204 s.
   */
  readonly at: number
  readonly reason: Reason
  /** To a quarter of a percent, and to a microsecond. */
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
/** Of SYNs sent again there are 4 bits: the last number stands for what the prober cannot see. */
const unseen = 15
/** An outcome that comes back from the store may have another time, by what clocks were corrected and rounded since. */
const toleranceMs = 50

function createPage(slots: number, perSlot: number) {
  return {
    /** Packed: 12 bits for how long after the one before it ended, 12 for its latency, 4 each for SYNs sent again and the reason. */
    check: new Uint32Array(slots * perSlot),
    /** When the newest ended, exactly. */
    endedAt: new Float64Array(slots).fill(Number.NEGATIVE_INFINITY),
    count: new Uint8Array(slots),
    /** Where the next goes. */
    next: new Uint8Array(slots),
  }
}

/** What a slot takes: 4 bytes a check, and 10 for keeping count. */
export function slotBytes(perSlot: number): number {
  return Object.values(createPage(1, perSlot)).reduce((sum, { byteLength }) => sum + byteLength, 0)
}

const greatest12Bits = 4095

/** Gaps below this are kept as they are, in tenths of a second: up to 204 seconds. */
const exactTenths = 2048
/** From there to the longest gap, 25 hours, which stands for whatever is longer, each step is 0.3 % more than the one before. */
const gapSteps = (greatest12Bits - exactTenths) / Math.log(900_000 / exactTenths)

function packGap(tenths: number): number {
  if (tenths < exactTenths) return tenths
  return Math.min(exactTenths + Math.round(gapSteps * Math.log(tenths / exactTenths)), greatest12Bits)
}

function unpackGap(gap: number): number {
  return gap < exactTenths ? gap : Math.round(exactTenths * Math.exp((gap - exactTenths) / gapSteps))
}

/** From a microsecond to 300 seconds, which no check takes longer, each step is half a percent more than the one before. 0 is null, 1 less than that. */
const leastLatencyMs = 0.001
const latencySteps = (greatest12Bits - 2) / Math.log(300_000 / leastLatencyMs)

function packLatency(ms: number | null): number {
  if (ms === null) return 0
  if (ms < leastLatencyMs) return 1
  return Math.min(2 + Math.round(latencySteps * Math.log(ms / leastLatencyMs)), greatest12Bits)
}

function unpackLatency(packed: number): number | null {
  if (packed < 2) return packed === 0 ? null : 0
  return Number((leastLatencyMs * Math.exp((packed - 2) / latencySteps)).toPrecision(5))
}

/** All of a packed check but the gap. */
const foundBits = 0xf_ffff

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
      const resent = synRetransmits === null ? unseen : Math.min(synRetransmits, unseen - 1)
      const found = (packLatency(latencyMs) << 8) | (resent << 4) | Reason.options.indexOf(reason)
      const newest = page.check[first + ((next + perSlot - 1) % perSlot)] as number
      if (sinceNewestMs < toleranceMs && (newest & foundBits) === found) return
      page.check[first + next] = (packGap(tenthOf(endedAt) - tenthOf(newestEndedAt)) << 20) | found
      page.endedAt[row] = endedAt
      page.count[row] = Math.min(count + 1, perSlot)
      page.next[row] = (next + 1) % perSlot
    },
    read(slot) {
      const { page, row, first, count, next } = locate(slot)
      const checks: PastCheck[] = []
      let tenth = tenthOf(page.endedAt[row] as number)
      for (let back = 1; back <= count; back++) {
        const check = page.check[first + ((next + perSlot - back) % perSlot)] as number
        const resent = (check >> 4) & 15
        checks.push({
          at: tenth * tenthMs,
          reason: Reason.options[check & 15] as Reason,
          latencyMs: unpackLatency((check & foundBits) >> 8),
          synRetransmits: resent === unseen ? null : resent,
        })
        tenth -= unpackGap(check >>> 20)
      }
      return checks.reverse()
    },
  }
}
