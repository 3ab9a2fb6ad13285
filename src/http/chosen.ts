import type { Quorum } from '../domain/quorum.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import type { WatchedService } from '../monitor/watch.ts'
import type { SetQuery } from './health-query.ts'
import { oldestCheck } from './reports.ts'

/** The services that a query asks for. */
export function choose(
  { services }: Pick<Monitor, 'services'>,
  registry: Pick<Registry, 'membersOf'>,
  { group, exclude }: Pick<SetQuery, 'group' | 'exclude'>,
): WatchedService[] {
  if (group === undefined && exclude === undefined) return [...services.values()]
  const names = group === undefined ? services.keys() : new Set(group.flatMap((name) => [...registry.membersOf(name)]))
  const excluded = new Set(exclude)
  const chosen: WatchedService[] = []
  for (const name of names) {
    const watched = services.get(name)
    if (watched !== undefined && !excluded.has(name)) chosen.push(watched)
  }
  return chosen
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
