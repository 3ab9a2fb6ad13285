import { phaseOf } from '../domain/schedule.ts'

/** Into how many parts the services are divided: enough that a few replicas get equal shares, few enough that one script renews them all. */
export const shardCount = 256

/** The shard of a service, from 0: a hash of its name, the same on every replica. */
export function shardOf(service: string): number {
  return Math.floor(phaseOf(service) * shardCount)
}

/** The shards that each replica leaves to others, because they have a service that its version of Porthole cannot check. */
export type Declined = ReadonlyMap<string, ReadonlySet<number>>

const noneDeclined: Declined = new Map()

/**
 * The shards that a replica should check, in order: rendezvous hashing (Thaler and Ravishankar, 1998). Each shard is for the live
 * replica that weighs most with it, so that when one comes or goes only its share moves. A shard that a replica declines is for another one, unless
 * all of them decline it: its other services are checked all the same.
 */
export function sharesOf(replica: string, members: Iterable<string>, declined = noneDeclined): number[] {
  const others = [...new Set(members)].filter((member) => member !== replica)
  const declines = (member: string, shard: number) => declined.get(member)?.has(shard) ?? false
  return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => {
    const willing = others.filter((other) => !declines(other, shard))
    if (declines(replica, shard) && willing.length > 0) return false
    const rivals = declines(replica, shard) ? others : willing
    const own = weightOf(replica, shard)
    return rivals.every((other) => {
      const weight = weightOf(other, shard)
      return weight < own || (weight === own && other < replica)
    })
  })
}

function weightOf(replica: string, shard: number): number {
  return phaseOf(`${shard} ${replica}`)
}
