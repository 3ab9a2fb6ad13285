import { membersNeeded } from '../domain/service/quorum.ts'
import type { Group } from '../domain/service/service.ts'
import type { Finding } from './problem.ts'
import type { FileSettings } from './settings.ts'

/** Returns the groups of the file with their quorums. */
export function quorumsOf({ groups = {} }: FileSettings): Group[] {
  return Object.entries(groups).map(([name, { quorum = 'all' }]) => ({ name, quorum }))
}

/**
 * Returns advice on groups without a service in the file, and on quorums above their number of services. Only services registered over HTTP can
 * make these right.
 */
export function adviseOnGroups(settings: FileSettings): Finding[] {
  const sizes = new Map<string, number>()
  for (const { groups } of Object.values(settings.services ?? {})) {
    for (const name of new Set(groups)) sizes.set(name, (sizes.get(name) ?? 0) + 1)
  }
  return quorumsOf(settings).flatMap(({ name, quorum }): Finding[] => {
    const size = sizes.get(name)
    if (size === undefined) {
      const known =
        sizes.size === 0 ? 'no service here is in a group' : `the groups here are ${[...sizes.keys()].join(', ')}`
      const message = `no service of this file is in it: right only if services of this group are registered over HTTP; ${known}`
      return [{ path: ['groups', name], part: 'key', message }]
    }
    if (membersNeeded(quorum, size) <= size) return []
    const message = `a quorum of ${quorum} cannot be met by the ${size} of this file's services that are in the group: write at most ${size}, unless more are registered over HTTP`
    return [{ path: ['groups', name, 'quorum'], part: 'value', message }]
  })
}
