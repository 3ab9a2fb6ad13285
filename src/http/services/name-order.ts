import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import { mergeInSlices, sortInSlices } from '../../runtime/sort-in-slices.ts'
import type { TimeSlices } from '../../runtime/time-slices.ts'

/** The names of all services, sorted by UTF-16 code units. */
export type NameOrder = {
  /** Returns the present names, in a list that never changes. A service may be removed while the caller reads the list. */
  read(): Promise<readonly string[]>
  /** Stops listening to the registry. */
  close(): void
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Creates the sorted list. Later only changed names are sorted, because sorting the names of 100,000 services takes some 50 ms. */
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
  /** The names that were added, removed or changed since the last sort; null before the first sort. */
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
      // A sort that began earlier may have missed later changes.
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
