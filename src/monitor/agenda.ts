import { createHeap, type Timed } from '../heap.ts'
import { createColumns, rowOf, rowsPerPage } from './columns.ts'

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
}

/** What falls due within one tick. */
type Bucket = Timed & {
  readonly tick: number
  readonly slots: number[]
  /** How many of the slots have not been moved elsewhere since. */
  count: number
}

export function createAgenda(tickMs: number): Agenda {
  const buckets = new Map<number, Bucket>()
  const order = createHeap<Bucket>()
  const columns = createColumns(() => ({
    dueAt: new Float64Array(rowsPerPage).fill(Number.POSITIVE_INFINITY),
    isIn: new Uint8Array(rowsPerPage),
  }))

  const tickOf = (dueAt: number) => Math.ceil(dueAt / tickMs)

  function bucketAt(tick: number): Bucket {
    const known = buckets.get(tick)
    if (known !== undefined) return known
    const bucket: Bucket = { tick, dueAt: tick * tickMs, heapIndex: -1, slots: [], count: 0 }
    buckets.set(tick, bucket)
    order.push(bucket)
    return bucket
  }

  function drop(bucket: Bucket): void {
    order.remove(bucket)
    buckets.delete(bucket.tick)
  }

  /** A slot that moves stays among those of its old bucket, and is passed over when that comes out. */
  function leave(slot: number): void {
    const { dueAt, isIn } = columns.pageOf(slot)
    const row = rowOf(slot)
    if (isIn[row] === 0) return
    isIn[row] = 0
    const bucket = bucketAt(tickOf(dueAt[row] as number))
    if (--bucket.count === 0) drop(bucket)
  }

  return {
    put(slot, at) {
      leave(slot)
      const { dueAt, isIn } = columns.pageOf(slot)
      const bucket = bucketAt(tickOf(at))
      dueAt[rowOf(slot)] = at
      isIn[rowOf(slot)] = 1
      bucket.slots.push(slot)
      bucket.count++
    },
    remove(slot) {
      leave(slot)
      columns.pageOf(slot).dueAt[rowOf(slot)] = Number.POSITIVE_INFINITY
    },
    dueAt: (slot) => columns.pageOf(slot).dueAt[rowOf(slot)] as number,
    take(now, most = Number.POSITIVE_INFINITY) {
      const bucket = order.peek()
      if (bucket === undefined || bucket.dueAt > now) return null
      const taken = bucket.slots.splice(0, most).filter((slot) => {
        const { dueAt, isIn } = columns.pageOf(slot)
        const row = rowOf(slot)
        // One that moved away and back is in the bucket twice.
        const isHere = isIn[row] === 1 && tickOf(dueAt[row] as number) === bucket.tick
        if (isHere) isIn[row] = 0
        return isHere
      })
      bucket.count -= taken.length
      if (bucket.count === 0) drop(bucket)
      return taken
    },
    nextAt: () => order.peek()?.dueAt ?? null,
  }
}
