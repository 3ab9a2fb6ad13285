import { phaseOf } from '../../domain/check/schedule.ts'

/** The number of shards. A few replicas get about equal shares of so many, and one script can still renew all of them. */
export const shardCount = 256

/** Returns the shard of a service, from 0 to 255: a hash of its name, the same on every replica. */
export function shardOf(service: string): number {
  return Math.floor(phaseOf(service) * shardCount)
}

/** The shards that each replica leaves to others, because they have a service that its version of Porthole cannot check. */
export type Declined = ReadonlyMap<string, ReadonlySet<number>>

const noneDeclined: Declined = new Map()

/**
 * Returns the shards that a replica should check, in ascending order, by rendezvous hashing (Thaler and Ravishankar, 1998). Each shard goes to the
 * live replica with the largest weight for it. So when a replica joins or leaves, only its share moves. A shard that a replica declines goes to
 * another one. If all of them decline a shard, it is assigned as if none did, so that its other services are still checked.
 */
export function sharesOf(replica: string, members: Iterable<string>, declined = noneDeclined): number[] {
  const others = [...new Set(members)].filter((member) => member !== replica)
  const declines = (member: string, shard: number) => declined.get(member)?.has(shard) ?? false
  return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => {
    const willing = others.filter((other) => !declines(other, shard))
    if (declines(replica, shard) && willing.length > 0) return false
    const candidates = declines(replica, shard) ? others : willing
    const own = weightOf(replica, shard)
    return candidates.every((other) => {
      const weight = weightOf(other, shard)
      return weight < own || (weight === own && other < replica)
    })
  })
}

function weightOf(replica: string, shard: number): number {
  return phaseOf(`${shard} ${replica}`)
}
