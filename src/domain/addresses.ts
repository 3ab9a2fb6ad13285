import { isIP } from 'node:net'
import type { Service } from './service.ts'
import { resolvedTarget, type Target, targetKey } from './target.ts'

/** The literal IPs that names stand for, by the configured target's name. A name that is missing here, or has none, stands for itself. */
export type Addresses = ReadonlyMap<string, readonly string[]>

export const noAddresses: Addresses = new Map()

/** The targets of a service whose host is a name that stands for all of its addresses. */
export function namesOf({ targets, resolve }: Service): readonly Target[] {
  return resolve === 'all' ? targets.filter(({ address }) => address === null) : []
}

/**
 * The targets that are checked for a service: the configured ones, each name replaced by its addresses once they are known.
 * An address is there once: as configured, else with the first name that stands for it.
 */
export function membersOf({ targets, resolve }: Service, addresses: Addresses): readonly Target[] {
  if (resolve === 'first') return targets
  const taken = new Set(targets.map(targetKey))
  return targets.flatMap((target) => {
    const found = addresses.get(target.name) ?? []
    if (found.length === 0) return [target]
    return found
      .map((ip) => resolvedTarget(target, ip))
      .filter((address) => {
        const key = targetKey(address)
        const isFree = !taken.has(key)
        taken.add(key)
        return isFree
      })
  })
}

const numerically = new Intl.Collator('en', { numeric: true })

/** IPs once each and in an order that does not depend on the resolver's: IPv4 first, numbers by their value. */
export function sortIps(ips: readonly string[]): readonly string[] {
  return [...new Set(ips)].sort((a, b) => isIP(a) - isIP(b) || numerically.compare(a, b))
}

/** The first `most` addresses, in the order of the names, and how many are left out. A name of which none is taken stands for itself. */
export function boundAddresses(addresses: Addresses, most: number): { taken: Addresses; leftOut: number } {
  let room = most
  let leftOut = 0
  const taken = new Map<string, readonly string[]>()
  for (const [name, found] of addresses) {
    taken.set(name, found.slice(0, room))
    leftOut += Math.max(0, found.length - room)
    room -= Math.min(found.length, room)
  }
  return { taken, leftOut }
}
