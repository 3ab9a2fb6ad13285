/** The size of a batch, as services and as the sum of their targets. Batches are small so that other work on the event loop does not wait long. */
export type Batch = { readonly services: number; readonly targets: number }

/**
 * Returns a function that divides services into batches. For each service, given its number of targets, it returns whether the service still
 * fits into the current batch; if not, the service begins the next batch. A service with more targets than a batch allows gets its own batch.
 */
export function measureBatches(most: Batch): (targets: number) => boolean {
  let services = 0
  let sum = 0
  return (targets) => {
    services++
    sum += targets
    if (services === 1 || (services <= most.services && sum <= most.targets)) return true
    services = 1
    sum = targets
    return false
  }
}

/** Yields items, one per service, in batches. Reads no item beyond the first one of the next batch. */
export function* batchesOf<Item>(
  items: Iterable<Item>,
  most: Batch,
  targetsOf: (item: Item) => number,
): Generator<Item[]> {
  const fits = measureBatches(most)
  let batch: Item[] = []
  for (const item of items) {
    if (!fits(targetsOf(item))) {
      yield batch
      batch = []
    }
    batch.push(item)
  }
  if (batch.length > 0) yield batch
}
