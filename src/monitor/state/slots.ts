/** A pool of small whole numbers. Each number belongs to one thing at a time, so that the state of many things fits into columns. */
export type Slots = {
  allocate(): number
  /** Returns a slot to the pool, which may give it out next. */
  release(slot: number): void
}

export function createSlots(): Slots {
  const free: number[] = []
  let next = 0
  return {
    allocate: () => free.pop() ?? next++,
    release: (slot) => void free.push(slot),
  }
}
