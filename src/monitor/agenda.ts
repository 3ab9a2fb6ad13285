import { createHeap, type Timed } from '../heap.ts'
import { createColumns, numberColumn, rowOf, rowsPerPage, wordColumn } from './columns.ts'

/**
 * Which slots fall due when. What falls due within the same tick comes out together at its end, so putting in and taking out cost
 * the same however many there are.
 */
export type Agenda = {
  /** Puts a slot in, or elsewhere if it is in. `dueAt` is an instant of the clock in milliseconds. */
  put(slot: number, dueAt: number): void
  /** Takes a slot out and forgets when it was due; nothing happens when it is not in. */
  remove(slot: number): void
  /** When a slot is due, or was when it was last taken out; infinity for one that is not known. */
  dueAt(slot: number): number
  /** Takes out what the first tick that is over by `now` brings, so many at most, and more when asked again; null when none is. */
  take(now: number, most?: number): number[] | null
  /** When the next tick is over that brings something; null when nothing is in. */
  nextAt(): number | null
  /** Returns how many slots are in. */
  size(): number
}

/** What falls due within one tick: a chain of slots. Nothing is made anew for a slot that is put in. */
type Bucket = Timed & { readonly tick: number; first: number; last: number }

/** What stands in a chain where no slot follows. */
const none = -1

export function createAgenda(tickMs: number): Agenda {
  const buckets = new Map<number, Bucket>()
  const order = createHeap<Bucket>()
  let size = 0
  const { pageOf } = createColumns(() => ({
    dueAt: numberColumn().fill(Number.POSITIVE_INFINITY),
    isIn: wordColumn(),
    /** The slots before and after it in the chain of its bucket. */
    before: new Int32Array(rowsPerPage),
    after: new Int32Array(rowsPerPage),
  }))

  const tickOf = (dueAt: number) => Math.ceil(dueAt / tickMs)
  const dueAtOf = (slot: number) => pageOf(slot).dueAt[rowOf(slot)] as number

  function bucketAt(tick: number): Bucket {
    const known = buckets.get(tick)
    if (known !== undefined) return known
    const bucket: Bucket = { tick, dueAt: tick * tickMs, heapIndex: -1, first: none, last: none }
    buckets.set(tick, bucket)
    order.push(bucket)
    return bucket
  }

  function enter(slot: number, bucket: Bucket): void {
    const { isIn, before, after } = pageOf(slot)
    isIn[rowOf(slot)] = 1
    size++
    before[rowOf(slot)] = bucket.last
    after[rowOf(slot)] = none
    if (bucket.last === none) bucket.first = slot
    else pageOf(bucket.last).after[rowOf(bucket.last)] = slot
    bucket.last = slot
  }

  function leave(slot: number): void {
    const page = pageOf(slot)
    if (page.isIn[rowOf(slot)] === 0) return
    page.isIn[rowOf(slot)] = 0
    size--
    const bucket = bucketAt(tickOf(dueAtOf(slot)))
    const before = page.before[rowOf(slot)] as number
    const after = page.after[rowOf(slot)] as number
    if (before === none) bucket.first = after
    else pageOf(before).after[rowOf(before)] = after
    if (after === none) bucket.last = before
    else pageOf(after).before[rowOf(after)] = before
    if (bucket.first !== none) return
    order.remove(bucket)
    buckets.delete(bucket.tick)
  }

  return {
    put(slot, at) {
      leave(slot)
      pageOf(slot).dueAt[rowOf(slot)] = at
      enter(slot, bucketAt(tickOf(at)))
    },
    remove(slot) {
      leave(slot)
      pageOf(slot).dueAt[rowOf(slot)] = Number.POSITIVE_INFINITY
    },
    dueAt: dueAtOf,
    take(now, most = Number.POSITIVE_INFINITY) {
      const bucket = order.peek()
      if (bucket === undefined || bucket.dueAt > now) return null
      const taken: number[] = []
      while (bucket.first !== none && taken.length < most) {
        taken.push(bucket.first)
        leave(bucket.first)
      }
      return taken
    },
    nextAt: () => order.peek()?.dueAt ?? null,
    size: () => size,
  }
}
