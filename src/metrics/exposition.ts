import type { Clock } from '../clock.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { forgetCounts, type WatchedService, type WatchedTarget } from '../monitor/watch.ts'
import { createTimeSlices, type TimeSlice, type TimeSlices } from '../time-slices.ts'
import type { Selection } from './selection.ts'
import { createServiceSeries } from './service-series.ts'
import { createTargetSeries } from './target-series.ts'

/** The series of services, groups and targets. Every outcome updates their values at once; a scrape only writes them. */
export type Exposition = {
  /**
   * Yields the present series of the selected services, or of all, in chunks that end with a line. A chunk is valid until the next one
   * is requested, because both share one buffer.
   */
  pieces(options: { targets: boolean; selection: Selection | null; slice?: TimeSlice }): AsyncGenerator<Buffer>
  /** Returns how many bytes the last scrape of all services held while it was under way; 0 before the first one. */
  heldBytes(): number
}

/** The work of updating a stale target, where looking at a service is 1. */
const workPerStale = 10

/** Creates the exposition. Subscribes to the monitor's outcomes and to changes of its targets. */
export function createExposition({
  monitor,
  registry,
  clock,
  prober,
  omit = [],
  slices = createTimeSlices(),
}: {
  monitor: Monitor
  registry: Registry
  clock: Clock
  prober: 'kernel' | 'portable'
  /** Families that are left out. */
  omit?: readonly MetricFamily[]
  slices?: TimeSlices | undefined
}): Exposition {
  const omitted = new Set(omit)
  const targets = createTargetSeries({ monitor, clock, prober, omit: omitted })
  const services = createServiceSeries({
    quorumOf: (group) => registry.groups.get(group)?.quorum ?? 'all',
    isPart: () => registry.load.pending() !== null,
    omit: omitted,
  })

  const isWatched = (service: WatchedService) => monitor.services.get(service.service.name) === service

  function note(watched: WatchedTarget): void {
    // A resolved address is checked before it joins its service. The address may never join, so it has no series yet.
    if (!targets.has(watched)) return
    const now = clock.now()
    if (targets.patch(watched, now)) services.patch(watched.watchedService, now)
  }

  function follow(changed: readonly WatchedTarget[]): void {
    const now = clock.now()
    const touched = new Set<WatchedService>()
    for (const watched of changed) {
      touched.add(watched.watchedService)
      if (watched.retired) targets.remove(watched)
      else targets.patch(watched, now)
    }
    for (const service of touched) {
      if (isWatched(service)) services.patch(service, now)
      else services.remove(service)
    }
  }

  monitor.checked.subscribe(({ watched }) => note(watched))
  monitor.adopted.subscribe(({ watched }) => note(watched))
  monitor.watching.subscribe(follow)
  for (const service of monitor.services.values()) follow(service.targets)

  /**
   * Updates targets that went stale, and then each of their services once. Staleness emits no event, so the cached counts of these
   * services have to be dropped. Targets may join or leave while the loop yields. That does no harm, because the iterator looks up the
   * next target only when it is requested, and a target that left is in no slot.
   */
  async function catchUp(slice: TimeSlice): Promise<void> {
    const touched = new Set<WatchedService>()
    for (const watched of targets.stale(clock.now())) {
      if (targets.has(watched) && targets.patch(watched, clock.now())) touched.add(watched.watchedService)
      if (slice.mustYield(workPerStale)) await slice.yield()
    }
    for (const service of touched) {
      if (!isWatched(service)) continue
      forgetCounts(service)
      services.patch(service, clock.now())
      if (slice.mustYield(workPerStale + service.targets.length)) await slice.yield()
    }
  }

  return {
    async *pieces({ targets: withTargets, selection, slice = slices.begin() }) {
      await catchUp(slice)
      yield* services.pieces(selection, slice)
      if (withTargets) yield* targets.pieces(selection, slice)
    },
    // The labels of services are freed before the labels of targets are built, so the larger of the two counts.
    heldBytes: () => Math.max(services.labelBytes(), targets.labelBytes()),
  }
}
