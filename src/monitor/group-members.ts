import type { WatchedService } from './watch.ts'

/** Which services are in which group, so that nobody who asks for one has to look at all there are. */
export type GroupMembers = {
  /** None where there is no such group. */
  membersOf(group: string): ReadonlySet<WatchedService>
  join(watched: WatchedService): void
  leave(watched: WatchedService): void
}

const nobody: ReadonlySet<WatchedService> = new Set()

/** Each service joins the groups of its definition, and leaves them before it has another or is gone. */
export function createGroupMembers(): GroupMembers {
  const groups = new Map<string, Set<WatchedService>>()
  return {
    membersOf: (group) => groups.get(group) ?? nobody,
    join(watched) {
      for (const group of watched.service.groups) {
        const members = groups.get(group) ?? new Set()
        groups.set(group, members.add(watched))
      }
    },
    leave(watched) {
      for (const group of watched.service.groups) {
        const members = groups.get(group)
        members?.delete(watched)
        if (members?.size === 0) groups.delete(group)
      }
    },
  }
}
