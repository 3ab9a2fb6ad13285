import type { WatchedService } from './watch.ts'

/** An index of services by group, so that a request for one group does not visit all services. */
export type GroupMembers = {
  /** Returns the services of a group; none if there is no such group. */
  membersOf(group: string): ReadonlySet<WatchedService>
  /** Moves a service from its former groups to its new ones. In a group that is in both lists it keeps its place. */
  move(watched: WatchedService, from: readonly string[], to: readonly string[]): void
}

const nobody: ReadonlySet<WatchedService> = new Set()

export function createGroupMembers(): GroupMembers {
  const groups = new Map<string, Set<WatchedService>>()

  function leave(watched: WatchedService, group: string): void {
    const members = groups.get(group)
    members?.delete(watched)
    if (members?.size === 0) groups.delete(group)
  }

  return {
    membersOf: (group) => groups.get(group) ?? nobody,
    move(watched, from, to) {
      for (const group of from) if (!to.includes(group)) leave(watched, group)
      for (const group of to) {
        const members = groups.get(group) ?? new Set()
        groups.set(group, members.add(watched))
      }
    },
  }
}
