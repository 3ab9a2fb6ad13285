import type { Quorum } from '../../domain/service/quorum.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { ServiceState } from '../../monitor/state/state.ts'
import type { TimeSlice } from '../../runtime/time-slices.ts'
import type { SetQuery } from './health-query.ts'

/** How many groups of a service are compared in the time that one unit of work takes. */
const groupsPerWork = 4

/** Returns the services that a query selects. If the slice yielded, some of them may have been removed since. */
export async function selectServices(
  { services, membersOf }: Pick<Monitor, 'services' | 'membersOf'>,
  { group, exclude }: Partial<Pick<SetQuery, 'group' | 'exclude'>>,
  slice: TimeSlice,
): Promise<ServiceState[]> {
  const selected: ServiceState[] = []
  const isIncluded = (state: ServiceState) => exclude?.has(state.service.name) !== true
  if (group === undefined) {
    for (const state of services.values()) {
      if (slice.mustYield()) await slice.yield()
      if (isIncluded(state)) selected.push(state)
    }
    return selected
  }
  const groups = Array.from(group, membersOf)
  const memberships = groups.reduce((sum, { size }) => sum + size, 0)
  if (memberships > services.size) {
    // Most services are in several of these groups: each service is looked at once.
    for (const state of services.values()) {
      if (slice.mustYield(1 + state.service.groups.length / groupsPerWork)) await slice.yield()
      if (isIncluded(state) && state.service.groups.some((name) => group.has(name))) selected.push(state)
    }
    return selected
  }
  const seen = new Set<ServiceState>()
  for (const members of groups)
    for (const state of members) {
      if (slice.mustYield()) await slice.yield()
      if (seen.has(state) || !isIncluded(state)) continue
      if (groups.length > 1) seen.add(state)
      selected.push(state)
    }
  return selected
}

/** Returns a group's own quorum, which applies only when a request selects that group alone. */
export function ownQuorum(registry: Registry, groups: ReadonlySet<string> | undefined): Quorum | undefined {
  const [only = '', ...others] = groups ?? []
  return others.length === 0 ? registry.groups.get(only)?.quorum : undefined
}

/** Returns when the target with the oldest check was checked. Null while a target was never checked, or where there is none. */
export async function oldestCheckOf(selected: readonly ServiceState[], slice: TimeSlice): Promise<number | null> {
  let oldest = Number.POSITIVE_INFINITY
  for (const state of selected) {
    if (slice.mustYield(workOf(state))) await slice.yield()
    oldest = Math.min(oldest, state.checkedAt ?? Number.NEGATIVE_INFINITY)
  }
  return Number.isFinite(oldest) ? oldest : null
}

/** Returns how many units of work a service is: more where it has many targets. */
export function workOf({ targets }: ServiceState): number {
  return 1 + targets.length / 10
}
