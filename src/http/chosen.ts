import type { Quorum } from '../domain/quorum.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import type { WatchedService } from '../monitor/watch.ts'
import type { SetQuery } from './health-query.ts'

/** The services that a query asks for. */
export function choose(
  { services, membersOf }: Pick<Monitor, 'services' | 'membersOf'>,
  { group, exclude }: Pick<SetQuery, 'group' | 'exclude'>,
): WatchedService[] {
  const chosen = group === undefined ? [...services.values()] : [...membersOfAny(group, membersOf)]
  if (exclude === undefined) return chosen
  return chosen.filter(({ service }) => !exclude.has(service.name))
}

/** Those that are in any of these groups, each once. */
function membersOfAny(groups: ReadonlySet<string>, membersOf: Monitor['membersOf']): ReadonlySet<WatchedService> {
  const [first = new Set<WatchedService>(), ...others] = Array.from(groups, membersOf)
  return others.reduce((all, members) => all.union(members), first)
}

/** A group's own quorum holds when it alone is asked for. */
export function ownQuorum(registry: Registry, groups: ReadonlySet<string> | undefined): Quorum | undefined {
  const [only = '', ...others] = groups ?? []
  return others.length === 0 ? registry.groups.get(only)?.quorum : undefined
}

/** When the target checked longest ago was checked; null while one never was, or there is none. */
export function oldestCheckOf(chosen: readonly WatchedService[]): number | null {
  let oldest = Number.POSITIVE_INFINITY
  for (const { checkedAt } of chosen) oldest = Math.min(oldest, checkedAt ?? Number.NEGATIVE_INFINITY)
  return Number.isFinite(oldest) ? oldest : null
}
