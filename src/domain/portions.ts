/** How much is done at once, so that nobody else waits for long: so many services, and so many targets of theirs. */
export type Portion = { readonly services: number; readonly targets: number }

/**
 * Measures out portions: says of each service, by how many targets it has, whether it goes with those before it; else the next portion
 * begins with it. One that has more targets than a portion is a portion by itself.
 */
export function measurePortions(most: Portion): (targets: number) => boolean {
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

/** Services, or what stands for them, in portions. No more are taken than are needed to see where the one that is wanted ends. */
export function* portionsOf<Item>(
  items: Iterable<Item>,
  most: Portion,
  targetsOf: (item: Item) => number,
): Generator<Item[]> {
  const fits = measurePortions(most)
  let portion: Item[] = []
  for (const item of items) {
    if (!fits(targetsOf(item))) {
      yield portion
      portion = []
    }
    portion.push(item)
  }
  if (portion.length > 0) yield portion
}
