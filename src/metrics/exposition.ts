import type { MetricFamily } from '../domain/values/metric-family.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry/registry.ts'
import { dropCachedCounts, type ServiceState, type TargetState } from '../monitor/state/state.ts'
import type { Clock } from '../runtime/clock.ts'
import { createTimeSlices, type TimeSlice, type TimeSlices } from '../runtime/time-slices.ts'
import type { Selection } from './selection.ts'
import { createServiceSeries } from './service-series.ts'
import { createTargetSeries } from './target-series.ts'

/** The series of services, groups and targets. Every outcome updates their values at once; a scrape only writes them. */
export type Exposition = {
  /**
   * Yields the present series of the selected services, or of all, in chunks that end with a line. A chunk is valid until the next one
   * is requested, because both share one buffer.
   */
  renderChunks(options: { targets: boolean; selection: Selection | null; slice?: TimeSlice }): AsyncGenerator<Buffer>
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

  const isRegistered = (service: ServiceState) => monitor.services.get(service.service.name) === service

  function updateSeries(state: TargetState): void {
    // A resolved address is checked before it joins its service. The address may never join, so it has no series yet.
    if (!targets.has(state)) return
    const now = clock.now()
    if (targets.patch(state, now)) services.patch(state.serviceState, now)
  }

  function syncSeries(changed: readonly TargetState[]): void {
    const now = clock.now()
    const touched = new Set<ServiceState>()
    for (const state of changed) {
      touched.add(state.serviceState)
      if (state.retired) targets.remove(state)
      else targets.patch(state, now)
    }
    for (const service of touched) {
      if (isRegistered(service)) services.patch(service, now)
      else services.remove(service)
    }
  }

  monitor.checked.subscribe(({ state }) => updateSeries(state))
  monitor.adopted.subscribe(({ state }) => updateSeries(state))
  monitor.targetsChanged.subscribe(syncSeries)
  for (const service of monitor.services.values()) syncSeries(service.targets)

  /**
   * Updates targets that went stale, and then each of their services once. Staleness emits no event, so the cached counts of these
   * services have to be dropped. Targets may join or leave while the loop yields. That does no harm, because the iterator looks up the
   * next target only when it is requested, and a target that left is in no slot.
   */
  async function catchUp(slice: TimeSlice): Promise<void> {
    const touched = new Set<ServiceState>()
    for (const state of targets.stale(clock.now())) {
      if (targets.has(state) && targets.patch(state, clock.now())) touched.add(state.serviceState)
      if (slice.mustYield(workPerStale)) await slice.yield()
    }
    for (const service of touched) {
      if (!isRegistered(service)) continue
      dropCachedCounts(service)
      services.patch(service, clock.now())
      if (slice.mustYield(workPerStale + service.targets.length)) await slice.yield()
    }
  }

  return {
    async *renderChunks({ targets: withTargets, selection, slice = slices.begin() }) {
      await catchUp(slice)
      yield* services.renderChunks(selection, slice)
      if (withTargets) yield* targets.renderChunks(selection, slice)
    },
    // The labels of services are freed before the labels of targets are built, so the larger of the two counts.
    heldBytes: () => Math.max(services.labelBytes(), targets.labelBytes()),
  }
}
