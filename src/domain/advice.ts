import { formatDuration } from './duration.ts'
import type { Outcome } from './outcome.ts'
import type { Policy } from './policy.ts'

/** Linux sends a lost SYN again after 1 s (the initial retransmission timeout of RFC 6298 §2), and the answer needs its time. Milliseconds. */
export const oneLostSynMs = 1100
/** How long a lost SYN or a slow look-up is worth telling of. */
const recentMs = 10 * 60_000

/** Incidents that advice is about. Instants in milliseconds; null for one that never happened. */
export type Incidents = {
  /** When a handshake last needed a second SYN. */
  readonly lossAt: number | null
  /** When a look-up last was slow. */
  readonly slowLookupAt: number | null
}

/** No incident at all. */
export const noIncidents: Incidents = { lossAt: null, slowLookupAt: null }

/** Returns whether a look-up took more than half of the timeout. */
export function isSlowLookUp(lookupMs: number, { timeoutMs }: Policy): boolean {
  return lookupMs > timeoutMs / 2
}

/**
 * Returns what to look at before it becomes an outage, or null: a peer that resets what it accepted, a SYN proxy, a path that loses packets, a
 * resolver that is slow, a timeout that one lost packet would exceed.
 */
export function advise(
  { timeoutMs }: Policy,
  lastOutcome: Outcome | null,
  { lossAt, slowLookupAt }: Incidents,
  now: number,
): string | null {
  if (lastOutcome !== null && isResetAtOnce(lastOutcome)) {
    return 'the peer reset the connection at once: its program refuses this machine or fails as it accepts, or a proxy in front has no server to pass it on to'
  }
  if (lastOutcome?.answer === 'zero-window') {
    return 'a SYN proxy seems to answer for the target (the window of its SYN-ACK is 0), and it answers whether or not anything listens behind it'
  }
  if (isRecent(lossAt, now)) {
    return 'packets are being lost on the way: within the last 10 minutes a SYN had to be sent again before it was answered'
  }
  if (isRecent(slowLookupAt, now)) {
    return `the resolver is slow: within the last 10 minutes a look-up of the name took more than half of the timeout of ${formatDuration(timeoutMs)}`
  }
  if (timeoutMs >= oneLostSynMs) return null
  return `a timeout of ${formatDuration(timeoutMs)} leaves no room for one lost packet, which Linux sends again after 1s`
}

/** Whether a handshake was completed, and the peer reset the connection before the check ended it. */
export function isResetAtOnce({ reason, code }: Outcome): boolean {
  return reason === 'connected' && code !== null
}

/** Until when advice reads as it does now, if nothing happens. */
export function advisesSameUntil({ lossAt, slowLookupAt }: Incidents, now: number): number {
  const recent = [lossAt, slowLookupAt].filter((instant) => isRecent(instant, now))
  return Math.min(...recent.map((instant) => instant + recentMs), Number.POSITIVE_INFINITY)
}

function isRecent(instant: number | null, now: number): instant is number {
  return instant !== null && now - instant < recentMs
}
