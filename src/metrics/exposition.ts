import type { Clock } from '../clock.ts'
import type { MetricFamily } from '../domain/metric-family.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { forgetCounts, type WatchedService, type WatchedTarget } from '../monitor/watch.ts'
import { createTimeSlices, type TimeSlice, type TimeSlices } from '../time-slices.ts'
import type { Selection } from './selection.ts'
import { createServiceSeries } from './service-series.ts'
import { createTargetSeries } from './target-series.ts'

/** The series of services, groups and targets. What they tell is kept up to date as outcomes come in, and written when a scrape asks. */
export type Exposition = {
  /** What is known now of selected services or of all, in pieces that end where a line does. Each holds until the next is asked for, which writes over it. */
  pieces(options: { targets: boolean; selection: Selection | null; slice?: TimeSlice }): AsyncGenerator<Buffer>
  /** Returns how many bytes a scrape of everything holds while it is under way, as the last one did; 0 before there was one. */
  heldBytes(): number
}

/** To bring a target up to date that has gone stale is as much work as to look at so many services. */
const workPerStale = 10

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
    // It is checked for the first time before it joins its service, and may never join.
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
   * A target that nobody has confirmed for too long reads otherwise without anything happening. What comes and goes between two turns
   * does no harm: who is next is looked up when it is asked for, and who has left is in no slot that is looked at. Nobody is told again of
   * what is stale, so their services are counted as they are now, each once.
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
    // The labels of services are let go of before those of targets are laid out.
    heldBytes: () => Math.max(services.labelBytes(), targets.labelBytes()),
  }
}
