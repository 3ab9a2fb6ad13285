import type { TimeSlice } from './time-slices.ts'

/** The number of items that are sorted at once: less than 1 ms of work. */
const runLength = 512

/** Sorts many items into a new list and yields to the event loop in between. Items that compare as equal keep their order. */
export async function sortInSlices<Item>(
  items: Iterable<Item>,
  compare: (a: Item, b: Item) => number,
  slice: TimeSlice,
): Promise<Item[]> {
  let runs: Item[][] = []
  let run: Item[] = []
  const endRun = () => {
    if (run.length > 0) runs.push(run.sort(compare))
    run = []
  }
  for (const item of items) {
    if (slice.mustYield()) await slice.yield()
    run.push(item)
    if (run.length < runLength) continue
    endRun()
    if (slice.mustYield(runLength)) await slice.yield()
  }
  endRun()
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let at = 0; at < runs.length; at += 2)
      merged.push(await mergeInSlices(runs[at] ?? [], runs[at + 1] ?? [], compare, slice))
    runs = merged
  }
  return runs[0] ?? []
}

/** Merges two sorted lists into a new one. If items compare as equal, the items of the first list come first. */
export async function mergeInSlices<Item>(
  first: readonly Item[],
  second: readonly Item[],
  compare: (a: Item, b: Item) => number,
  slice: TimeSlice,
): Promise<Item[]> {
  const merged: Item[] = []
  let [i, j] = [0, 0]
  while (i < first.length || j < second.length) {
    if (slice.mustYield()) await slice.yield()
    const takesFirst = j >= second.length || (i < first.length && compare(first[i] as Item, second[j] as Item) <= 0)
    merged.push((takesFirst ? first[i++] : second[j++]) as Item)
  }
  return merged
}
