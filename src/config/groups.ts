import { membersNeeded, Quorum, unreachableQuorum } from '../domain/quorum.ts'
import { type Group, GroupName, type Service } from '../domain/service.ts'
import type { Finding } from './problem.ts'
import type { FileSettings } from './settings.ts'

/** Every group a service is in, in the order they are first named, with the quorum the file gives it or `all`. */
export function groupsOf(services: readonly Service[], settings: FileSettings): Group[] {
  const quorums = new Map(Object.entries(settings.groups ?? {}).map(([name, group]) => [name, group.quorum]))
  const names = new Set(services.flatMap((service) => service.groups))
  return [...names].map((name) => ({ name, quorum: quorums.get(name) ?? 'all' }))
}

/**
 * Groups no service is in, and quorums above the number of a group's services. Reads the value as it stands in the file,
 * so that these are found beside whatever else is wrong with it.
 */
export function checkGroups(value: unknown): Finding[] {
  const sizes = new Map<string, number>()
  for (const [, service] of entries(get(value, 'services'))) {
    const names = [get(service, 'groups')].flat().filter(isName)
    for (const name of new Set(names)) sizes.set(name, (sizes.get(name) ?? 0) + 1)
  }
  return entries(get(value, 'groups')).flatMap(([name, group]): Finding[] => {
    if (!isName(name)) return []
    const size = sizes.get(name)
    if (size === undefined) {
      const known = sizes.size === 0 ? 'no service is in any group' : `the groups are ${[...sizes.keys()].join(', ')}`
      return [{ path: ['groups', name], part: 'key', message: `unknown group, no service is in it: ${known}` }]
    }
    const quorum = Quorum.safeParse(get(group, 'quorum'))
    if (!quorum.success || membersNeeded(quorum.data, size) <= size) return []
    const message = unreachableQuorum(quorum.data, size, 'service')
    return [{ path: ['groups', name, 'quorum'], part: 'value', message }]
  })
}

function isName(value: unknown): value is string {
  return GroupName.safeParse(value).success
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

function get(value: unknown, key: string): unknown {
  return new Map(entries(value)).get(key)
}
