import { isIP } from 'node:net'
import type { Service } from '../service/service.ts'
import { resolvedTarget, type Target, targetKey } from './target.ts'

/** The literal IPs of host names, by the name of the configured target. A target that is missing here, or has no IPs, is checked by its name. */
export type Addresses = ReadonlyMap<string, readonly string[]>

export const noAddresses: Addresses = new Map()

/** Returns the targets of which every resolved address is checked: those with a host name, where `resolve` is `all`. */
export function namesOf({ targets, resolve }: Service): readonly Target[] {
  return resolve === 'all' ? targets.filter(({ address }) => address === null) : []
}

/**
 * Returns the targets that Porthole checks for a service. With `resolve: all` the known addresses of a name replace the name.
 * Each address appears once: as configured, otherwise with the first name that has it.
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

/** Returns each IP once, IPv4 first and then by numeric value, so that the order does not depend on the resolver. */
export function sortIps(ips: readonly string[]): readonly string[] {
  return [...new Set(ips)].sort((a, b) => isIP(a) - isIP(b) || numerically.compare(a, b))
}

/** Returns the first `most` addresses, in the order of the names, and how many are left out. A name that gets no address is checked by its name. */
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
