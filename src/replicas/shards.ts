import { phaseOf } from '../domain/schedule.ts'

/** Into how many parts the services are divided: enough that a few replicas get equal shares, few enough that one script renews them all. */
export const shardCount = 256

/** The shard of a service, from 0: a hash of its name, the same on every replica. */
export function shardOf(service: string): number {
  return Math.floor(phaseOf(service) * shardCount)
}

/**
 * The shards that a replica should check, in order: rendezvous hashing (Thaler and Ravishankar, 1998). Each shard is for the live
 * replica that weighs most with it, so that when one comes or goes only its share moves.
 */
export function sharesOf(replica: string, members: Iterable<string>): number[] {
  const others = [...new Set(members)].filter((member) => member !== replica)
  return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => {
    const own = weightOf(replica, shard)
    return others.every((other) => {
      const weight = weightOf(other, shard)
      return weight < own || (weight === own && other < replica)
    })
  })
}

function weightOf(replica: string, shard: number): number {
  return phaseOf(`${shard} ${replica}`)
}
