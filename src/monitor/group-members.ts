import type { WatchedService } from './watch.ts'

/** Which services are in which group, so that nobody who asks for one has to look at all there are. */
export type GroupMembers = {
  /** None where there is no such group. */
  membersOf(group: string): ReadonlySet<WatchedService>
  /** A service was in some groups, and is in others from now on. Where it stays it keeps its place. */
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
