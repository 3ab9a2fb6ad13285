import { createHeap, type Timed } from '../../runtime/heap.ts'
import { createColumns, enumColumn, numberColumn, rowOf, rowsPerChunk } from '../state/columns.ts'

/**
 * A queue of slots by the time at which they are due. All slots that fall due within one tick share a bucket, so adding or removing a
 * slot costs the same at any size.
 */
export type DueQueue = {
  /** Adds a slot, or moves it if it is in the queue. `dueAt` is an instant of the clock in milliseconds. */
  put(slot: number, dueAt: number): void
  /** Removes a slot if it is in the queue, and forgets when it was due. */
  remove(slot: number): void
  /** Returns when a slot is due, or was due when it was last taken. Returns infinity for a slot that is not known. */
  dueAt(slot: number): number
  /** Removes and returns up to `most` slots of the oldest tick that is over by `now`. Another call returns the rest. Returns null when no tick is over. */
  take(now: number, most?: number): number[] | null
  /** Returns when the oldest tick in the queue is over; null when the queue is empty. */
  nextAt(): number | null
  /** Returns how many slots are in. */
  size(): number
}

/** The slots that fall due within one tick, as a linked list. Adding a slot to the list allocates nothing. */
type Bucket = Timed & { readonly tick: number; first: number; last: number }

/** Marks the end of a linked list. */
const none = -1

export function createDueQueue(tickMs: number): DueQueue {
  const buckets = new Map<number, Bucket>()
  const order = createHeap<Bucket>()
  let size = 0
  const { chunkOf } = createColumns(() => ({
    dueAt: numberColumn().fill(Number.POSITIVE_INFINITY),
    isIn: enumColumn(),
    /** The previous and the next slot in the linked list of the bucket. */
    before: new Int32Array(rowsPerChunk),
    after: new Int32Array(rowsPerChunk),
  }))

  const tickOf = (dueAt: number) => Math.ceil(dueAt / tickMs)
  const dueAtOf = (slot: number) => chunkOf(slot).dueAt[rowOf(slot)] as number

  function bucketAt(tick: number): Bucket {
    const known = buckets.get(tick)
    if (known !== undefined) return known
    const bucket: Bucket = { tick, dueAt: tick * tickMs, heapIndex: -1, first: none, last: none }
    buckets.set(tick, bucket)
    order.push(bucket)
    return bucket
  }

  function enter(slot: number, bucket: Bucket): void {
    const { isIn, before, after } = chunkOf(slot)
    isIn[rowOf(slot)] = 1
    size++
    before[rowOf(slot)] = bucket.last
    after[rowOf(slot)] = none
    if (bucket.last === none) bucket.first = slot
    else chunkOf(bucket.last).after[rowOf(bucket.last)] = slot
    bucket.last = slot
  }

  function leave(slot: number): void {
    const chunk = chunkOf(slot)
    if (chunk.isIn[rowOf(slot)] === 0) return
    chunk.isIn[rowOf(slot)] = 0
    size--
    const bucket = bucketAt(tickOf(dueAtOf(slot)))
    const before = chunk.before[rowOf(slot)] as number
    const after = chunk.after[rowOf(slot)] as number
    if (before === none) bucket.first = after
    else chunkOf(before).after[rowOf(before)] = after
    if (after === none) bucket.last = before
    else chunkOf(after).before[rowOf(after)] = before
    if (bucket.first !== none) return
    order.remove(bucket)
    buckets.delete(bucket.tick)
  }

  return {
    put(slot, at) {
      leave(slot)
      chunkOf(slot).dueAt[rowOf(slot)] = at
      enter(slot, bucketAt(tickOf(at)))
    },
    remove(slot) {
      leave(slot)
      chunkOf(slot).dueAt[rowOf(slot)] = Number.POSITIVE_INFINITY
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
