import { createHeap, type Timed } from '../heap.ts'

/** Something that falls due. */
export type Entry = {
  /** An instant of the clock in milliseconds, as given to `put`. */
  dueAt: number
  /** Where it lies; null when it is not in. The agenda's own note. */
  bucket: Bucket | null
}

/** What falls due within one tick. */
export type Bucket = Timed & {
  readonly tick: number
  readonly entries: Entry[]
  /** How many of the entries have not been moved elsewhere since. */
  count: number
}

/**
 * Who falls due when. What falls due within the same tick comes out together at its end, so putting in and taking out cost
 * the same however many there are.
 */
export type Agenda<Item extends Entry> = {
  /** Puts an item in, or elsewhere if it is in. */
  put(item: Item, dueAt: number): void
  /** Takes an item out; nothing happens when it is not in. */
  remove(item: Item): void
  /** Takes out what the first tick that is over by `now` brings; null when none is. */
  take(now: number): Item[] | null
  /** When the next tick is over that brings something; null when nothing is in. */
  nextAt(): number | null
}

export function createAgenda<Item extends Entry>(tickMs: number): Agenda<Item> {
  const buckets = new Map<number, Bucket>()
  const order = createHeap<Bucket>()

  function bucketAt(tick: number): Bucket {
    const known = buckets.get(tick)
    if (known !== undefined) return known
    const bucket: Bucket = { tick, dueAt: tick * tickMs, heapIndex: -1, entries: [], count: 0 }
    buckets.set(tick, bucket)
    order.push(bucket)
    return bucket
  }

  function drop(bucket: Bucket): void {
    order.remove(bucket)
    buckets.delete(bucket.tick)
  }

  /** An item that moves stays among the entries of its old bucket, and is passed over when that comes out. */
  function remove(item: Item): void {
    const { bucket } = item
    if (bucket === null) return
    item.bucket = null
    if (--bucket.count === 0) drop(bucket)
  }

  return {
    put(item, dueAt) {
      remove(item)
      const bucket = bucketAt(Math.ceil(dueAt / tickMs))
      item.dueAt = dueAt
      item.bucket = bucket
      bucket.entries.push(item)
      bucket.count++
    },
    remove,
    take(now) {
      const bucket = order.peek()
      if (bucket === undefined || bucket.dueAt > now) return null
      drop(bucket)
      return (bucket.entries as Item[]).filter((item) => {
        const isHere = item.bucket === bucket
        if (isHere) item.bucket = null
        return isHere
      })
    },
    nextAt: () => order.peek()?.dueAt ?? null,
  }
}
