import { isIPv6 } from 'node:net'
import type { Clock } from '../../runtime/clock.ts'

const windowMs = 60_000
const allowed = 10

/** Limits wrong tokens: 10 a minute for each client. */
export type FailedTokenLimiter = {
  /** Returns how long a client has to wait before it may try again, in milliseconds; 0 when it may now. */
  waitMs(client: string): number
  /** Counts a wrong token. Returns whether it was the last one allowed in this minute. */
  fail(client: string): boolean
}

/** Creates a limiter that remembers up to `maxClients` clients, each for one minute. Beyond that it forgets the oldest. */
export function createFailedTokenLimiter(clock: Clock, maxClients = 4096): FailedTokenLimiter {
  /** The counts of clients, in the order of `since`. */
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
 * Returns the client that an address belongs to. An IPv4 address is a client, also when a dual-stack socket reports it as
 * `::ffff:192.0.2.7` (RFC 4291 §2.5.5.2). Of an IPv6 address the client is its /64 (§2.5.4), because a host may take any address in it.
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
