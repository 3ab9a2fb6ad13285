/** Small whole numbers, each for one thing at a time, so that what is kept of many things can be columns of numbers. */
export type Slots = {
  take(): number
  /** The next that is taken may be this one. */
  giveBack(slot: number): void
}

export function createSlots(): Slots {
  const free: number[] = []
  let next = 0
  return {
    take: () => free.pop() ?? next++,
    giveBack: (slot) => void free.push(slot),
  }
}
