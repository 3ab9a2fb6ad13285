import type { ServiceState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlice, TimeSlices } from '../../runtime/time-slices.ts'
import { computeSetStatus, type SetStatus } from './set-reports.ts'

/** The status of a set of this many services or more is cached, because computing it blocks the event loop for milliseconds. */
const manyServices = 10_000
/** How long the status of a set is cached, in milliseconds. */
const keptMs = 1000
/** The most sets that are cached. The status of 100,000 services that are down holds some megabytes. */
const mostKept = 4

/** Returns the status of a set, for a large set from the cache of the last second. Requests for the same set give the same `name`. */
export type SetStatusCache = (
  services: readonly ServiceState[],
  options: {
    name: string
    verbose: boolean
    /** Whether the services were checked just now for this request, which then does not use the cache. */
    isFresh: boolean
    /** The loop of the request. */
    slice: TimeSlice
  },
) => Promise<SetStatus>

/** Creates the cache of set statuses. With it a large set is computed about once a second, however many clients ask. */
export function createSetStatusCache({
  slices,
  ...about
}: {
  clock: Clock
  exists: (state: ServiceState) => boolean
  slices: TimeSlices
}): SetStatusCache {
  const kept = new Map<string, Promise<SetStatus>>()
  return (services, { name, verbose, isFresh, slice }) => {
    const last = isFresh ? undefined : kept.get(name)
    if (last !== undefined) return last
    if (services.length < manyServices || kept.size >= mostKept || kept.has(name))
      return computeSetStatus(services, { ...about, verbose, slice })
    // The loop goes on when the client that asked first is gone, because other clients may wait for the result.
    const setStatusOf = computeSetStatus(services, {
      ...about,
      verbose,
      slice: slices.begin(),
      mayBeRemoved: slice.hasYielded,
    })
    kept.set(name, setStatusOf)
    setTimeout(() => kept.delete(name), keptMs).unref()
    return setStatusOf
  }
}
