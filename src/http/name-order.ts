import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { mergeInSlices, sortInSlices } from '../sort-in-slices.ts'
import type { TimeSlices } from '../time-slices.ts'

/** The names of all services in the order of their code units. */
export type NameOrder = {
  /** The names as they are when this is asked, in a list that never changes. A service may go while the list is read. */
  read(): Promise<readonly string[]>
  /** Stops listening to the registry. */
  close(): void
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Sorts only what changed: to sort the names of 100,000 services takes some 50 ms. */
export function createNameOrder({
  monitor,
  registry,
  slices,
}: {
  monitor: Pick<Monitor, 'services'>
  registry: Pick<Registry, 'changed'>
  slices: TimeSlices
}): NameOrder {
  let names: readonly string[] = []
  /** The names that came, went or changed since the names were sorted; null before they were sorted for the first time. */
  let changed: Set<string> | null = null
  let sorting: Promise<void> | null = null
  const unsubscribe = registry.changed.subscribe(({ put, removed }) => {
    for (const { name } of put) changed?.add(name)
    for (const name of removed) changed?.add(name)
  })

  async function sort(): Promise<void> {
    const slice = slices.begin()
    const moved = changed
    changed = new Set()
    const wanted =
      moved === null ? [...monitor.services.keys()] : [...moved].filter((name) => monitor.services.has(name))
    const sorted = await sortInSlices(wanted, compare, slice)
    if (moved === null) {
      names = sorted
      return
    }
    const kept: string[] = []
    for (const name of names) {
      if (slice.mustYield()) await slice.yield()
      if (!moved.has(name)) kept.push(name)
    }
    names = await mergeInSlices(kept, sorted, compare, slice)
  }

  return {
    async read() {
      // What began before may not have seen what happened since.
      await sorting
      if (changed === null || changed.size > 0 || sorting !== null) {
        sorting ??= sort().finally(() => {
          sorting = null
        })
        await sorting
      }
      return names
    },
    close: unsubscribe,
  }
}
