import { type Outcome, type Reason, reasons } from '../../domain/check/outcome.ts'
import { createColumns, rowOf, rowsPerChunk } from './columns.ts'

/** A past check of a target. */
export type PastCheck = {
  /**
   * When the check ended: an instant of the clock in milliseconds, rounded down to a tenth of a second. Behind a gap of more than 204 s the time is
   * less exact, by 0.15 % of the time between this check and the newest.
   */
  readonly at: number
  readonly reason: Reason
  /** Exact to a quarter of a percent, and to a microsecond. */
  readonly latencyMs: number | null
  /** 14 stands for 14 or more. */
  readonly synRetransmits: number | null
}

/** The check rings of many targets by slot. A ring holds the last checks of its target. */
export type CheckRing = {
  clear(slot: number): void
  /** Writes an outcome over the oldest check. Ignores an outcome that the ring has already, or that is older than the newest check. */
  write(slot: number, outcome: Outcome): void
  /** Returns the checks, oldest first. */
  read(slot: number): PastCheck[]
}

const tenthMs = 100
/** The number of SYN retransmits has 4 bits. The highest number stands for a count that the prober cannot see. */
const unseen = 15
/** How far the time of an outcome may move on its way through the store, in milliseconds. Clocks are corrected and times rounded there. */
const toleranceMs = 50

function createChunk(slots: number, perSlot: number) {
  return {
    /** Packed: 12 bits for the time since the previous check ended, 12 for the latency, 4 for SYN retransmits, 4 for the reason. */
    check: new Uint32Array(slots * perSlot),
    /** When the newest check ended, exactly. */
    endedAt: new Float64Array(slots).fill(Number.NEGATIVE_INFINITY),
    count: new Uint8Array(slots),
    /** The position at which the next check is written. */
    next: new Uint8Array(slots),
  }
}

/** Returns the bytes that a slot takes: 4 for each check, and 10 more for its position, count and newest time. */
export function slotBytes(perSlot: number): number {
  return Object.values(createChunk(1, perSlot)).reduce((sum, { byteLength }) => sum + byteLength, 0)
}

const max12Bits = 4095

/** Gaps below this many tenths of a second, which are 204 seconds, are stored exactly. */
const exactTenths = 2048
/** From there to the longest gap of 25 hours, each step is 0.3 % more than the previous one. Longer gaps are stored as 25 hours. */
const gapSteps = (max12Bits - exactTenths) / Math.log(900_000 / exactTenths)

function packGap(tenths: number): number {
  if (tenths < exactTenths) return tenths
  return Math.min(exactTenths + Math.round(gapSteps * Math.log(tenths / exactTenths)), max12Bits)
}

function unpackGap(gap: number): number {
  return gap < exactTenths ? gap : Math.round(exactTenths * Math.exp((gap - exactTenths) / gapSteps))
}

/** From 1 µs to 300 s, the longest check, each step is half a percent more than the previous one. Null is 0, and anything below 1 µs is 1. */
const leastLatencyMs = 0.001
const latencySteps = (max12Bits - 2) / Math.log(300_000 / leastLatencyMs)

function packLatency(ms: number | null): number {
  if (ms === null) return 0
  if (ms < leastLatencyMs) return 1
  return Math.min(2 + Math.round(latencySteps * Math.log(ms / leastLatencyMs)), max12Bits)
}

function unpackLatency(packed: number): number | null {
  if (packed < 2) return packed === 0 ? null : 0
  return Number((leastLatencyMs * Math.exp((packed - 2) / latencySteps)).toPrecision(5))
}

/** All bits of a packed check except the gap. */
const foundBits = 0xf_ffff

/** Returns the tenth of a second in which an instant lies. Gaps count whole tenths, so that their sum is the time between the first and the last check. */
function tenthOf(instant: number): number {
  return Math.floor(instant / tenthMs)
}

/** Creates rings of `perSlot` checks each, at most 255. */
export function createCheckRing(perSlot: number): CheckRing {
  const columns = createColumns(() => createChunk(rowsPerChunk, perSlot))

  function locate(slot: number) {
    const chunk = columns.chunkOf(slot)
    const row = rowOf(slot)
    return { chunk, row, first: row * perSlot, count: chunk.count[row] as number, next: chunk.next[row] as number }
  }

  return {
    clear(slot) {
      const { chunk, row } = locate(slot)
      chunk.count[row] = 0
      chunk.endedAt[row] = Number.NEGATIVE_INFINITY
    },
    write(slot, { reason, endedAt, latencyMs, synRetransmits }) {
      const { chunk, row, first, count, next } = locate(slot)
      const newestEndedAt = chunk.endedAt[row] as number
      const sinceNewestMs = endedAt - newestEndedAt
      if (sinceNewestMs <= 0) return
      const resent = synRetransmits === null ? unseen : Math.min(synRetransmits, unseen - 1)
      const found = (packLatency(latencyMs) << 8) | (resent << 4) | reasons.indexOf(reason)
      const newest = chunk.check[first + ((next + perSlot - 1) % perSlot)] as number
      if (sinceNewestMs < toleranceMs && (newest & foundBits) === found) return
      chunk.check[first + next] = (packGap(tenthOf(endedAt) - tenthOf(newestEndedAt)) << 20) | found
      chunk.endedAt[row] = endedAt
      chunk.count[row] = Math.min(count + 1, perSlot)
      chunk.next[row] = (next + 1) % perSlot
    },
    read(slot) {
      const { chunk, row, first, count, next } = locate(slot)
      const checks: PastCheck[] = []
      let tenth = tenthOf(chunk.endedAt[row] as number)
      for (let back = 1; back <= count; back++) {
        const check = chunk.check[first + ((next + perSlot - back) % perSlot)] as number
        const resent = (check >> 4) & 15
        checks.push({
          at: tenth * tenthMs,
          reason: reasons[check & 15] as Reason,
          latencyMs: unpackLatency((check & foundBits) >> 8),
          synRetransmits: resent === unseen ? null : resent,
        })
        tenth -= unpackGap(check >>> 20)
      }
      return checks.reverse()
    },
  }
}
