import { isIPv6 } from 'node:net'
import type { Clock } from '../clock.ts'

const windowMs = 60_000
const allowed = 10

/** Wrong tokens, counted by who sent them. */
export type Attempts = {
  /** How long nobody there may try again, in milliseconds; 0 when they may. */
  waitMs(client: string): number
  /** Counts one; returns whether it was the last that is allowed in this minute. */
  fail(client: string): boolean
}

/** Counts by the minute, for so many clients at once; beyond that the oldest counts are forgotten. */
export function createAttempts(clock: Clock, maxClients = 4096): Attempts {
  /** In the order of `since`. */
  const counts = new Map<string, { readonly since: number; failures: number }>()

  function counted(client: string) {
    const count = counts.get(client)
    if (count === undefined || clock.now() - count.since < windowMs) return count
    counts.delete(client)
    return undefined
  }

  function start(client: string) {
    const [oldest] = counts.keys()
    if (oldest !== undefined && counts.size >= maxClients) counts.delete(oldest)
    const count = { since: clock.now(), failures: 0 }
    counts.set(client, count)
    return count
  }

  return {
    waitMs(client) {
      const count = counted(client)
      return count === undefined || count.failures < allowed ? 0 : count.since + windowMs - clock.now()
    },
    fail(client) {
      const count = counted(client) ?? start(client)
      count.failures += 1
      return count.failures === allowed
    },
  }
}

/**
 * What of an address stands for one client: IPv4 whole, also as a socket for both families tells it (`::ffff:192.0.2.7`,
 * RFC 4291 §2.5.5.2); of IPv6 the /64 (§2.5.4), within which a host may take any address it likes.
 */
export function clientOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = [], tail] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = tail === undefined ? 0 : 8 - head.length - tail.length
  const groups = [...head, ...Array<string>(Math.max(0, zeros)).fill('0'), ...(tail ?? [])]
  return `${groups.slice(0, 4).join(':')}::/64`
}
