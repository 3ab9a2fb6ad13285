import type { Quorum } from '../domain/quorum.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import type { WatchedService } from '../monitor/watch.ts'
import type { SetQuery } from './health-query.ts'
import { oldestCheck } from './reports.ts'

/** The services that a query asks for. */
export function choose(monitor: Monitor, { group, exclude }: SetQuery): WatchedService[] {
  const all = [...monitor.services.values()]
  if (group === undefined && exclude === undefined) return all
  return all.filter(
    ({ service }) =>
      (group === undefined || service.groups.some((name) => group.includes(name))) &&
      exclude?.includes(service.name) !== true,
  )
}

/** A group's own quorum holds when it alone is asked for. */
export function ownQuorum(registry: Registry, groups: readonly string[] | undefined): Quorum | undefined {
  return groups?.length === 1 ? registry.groups.get(groups[0] ?? '')?.quorum : undefined
}

/** When the target checked longest ago was checked; null while one never was, or there is none. */
export function oldestCheckOf(chosen: readonly WatchedService[]): number | null {
  let oldest = Number.POSITIVE_INFINITY
  for (const watched of chosen) oldest = Math.min(oldest, oldestCheck(watched) ?? Number.NEGATIVE_INFINITY)
  return Number.isFinite(oldest) ? oldest : null
}
