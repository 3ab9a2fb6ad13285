import type { ServiceState } from '../state/state.ts'

/** An index of services by group, so that a request for one group does not visit all services. */
export type GroupMembers = {
  /** Returns the services of a group; none if there is no such group. */
  membersOf(group: string): ReadonlySet<ServiceState>
  /** Moves a service from its former groups to its new ones. In a group that is in both lists it keeps its place. */
  move(state: ServiceState, from: readonly string[], to: readonly string[]): void
}

const noServices: ReadonlySet<ServiceState> = new Set()

export function createGroupMembers(): GroupMembers {
  const groups = new Map<string, Set<ServiceState>>()

  function leave(state: ServiceState, group: string): void {
    const members = groups.get(group)
    members?.delete(state)
    if (members?.size === 0) groups.delete(group)
  }

  return {
    membersOf: (group) => groups.get(group) ?? noServices,
    move(state, from, to) {
      for (const group of from) if (!to.includes(group)) leave(state, group)
      for (const group of to) {
        const members = groups.get(group) ?? new Set()
        groups.set(group, members.add(state))
      }
    },
  }
}
