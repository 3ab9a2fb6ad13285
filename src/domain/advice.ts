import { formatDuration } from './duration.ts'
import type { Policy } from './policy.ts'

/** Linux sends a lost SYN again after 1 s (the initial retransmission timeout of RFC 6298 §2), and the answer needs its time. Milliseconds. */
export const oneLostSynMs = 1100
/** How long a lost SYN is worth telling of. */
const recentMs = 10 * 60_000

/**
 * What to look at before it becomes an outage: a path that loses packets, or a timeout that one lost packet would exceed.
 * `lossAt` is when a handshake last needed a second SYN. Instants in milliseconds.
 */
export function advise({ timeoutMs }: Policy, lossAt: number | null, now: number): string | null {
  if (lossAt !== null && now - lossAt < recentMs) {
    return 'packets are being lost on the way: within the last 10 minutes a SYN had to be sent again before it was answered'
  }
  if (timeoutMs >= oneLostSynMs) return null
  return `a timeout of ${formatDuration(timeoutMs)} leaves no room for one lost packet, which Linux sends again after 1s`
}

/** Until when advice reads as it does now, if no packet is lost. */
export function advisesSameUntil(lossAt: number | null, now: number): number {
  return lossAt !== null && now - lossAt < recentMs ? lossAt + recentMs : Number.POSITIVE_INFINITY
}
