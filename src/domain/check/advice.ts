import type { Policy } from '../service/policy.ts'
import { formatDuration } from '../values/duration.ts'
import { type Outcome, verdictOf } from './outcome.ts'

/**
 * The shortest timeout that leaves room for one lost SYN, in milliseconds. Linux sends a lost SYN again after 1 s (the initial retransmission
 * timeout of RFC 6298 §2), and the answer takes some time too.
 */
export const oneLostSynMs = 1100
/** How long advice mentions a lost SYN or a slow look-up, in milliseconds. */
const recentMs = 10 * 60_000

/** The incidents that advice mentions. Instants in milliseconds; null for an incident that never happened. */
export type Incidents = {
  /** When a handshake last needed a second SYN. */
  readonly lossAt: number | null
  /** When a look-up last was slow. */
  readonly slowLookupAt: number | null
}

export const noIncidents: Incidents = { lossAt: null, slowLookupAt: null }

/** Returns whether a look-up took more than half of the timeout. */
export function isSlowLookUp(lookupMs: number, { timeoutMs }: Policy): boolean {
  return lookupMs > timeoutMs / 2
}

/**
 * Returns one sentence about a problem that may become an outage; null when there is none. The problems are: a peer that resets what it
 * accepted, a SYN proxy, lost packets, a slow resolver, and a timeout that one lost packet would exceed.
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

/** Returns whether the handshake completed and the peer reset the connection before the check ended it. */
export function isResetAtOnce({ reason, code }: Outcome): boolean {
  return verdictOf(reason) === 'up' && code !== null
}

/** Returns the instant at which the advice changes by itself; infinity when it does not. */
export function adviceValidUntil({ lossAt, slowLookupAt }: Incidents, now: number): number {
  const recent = [lossAt, slowLookupAt].filter((instant) => isRecent(instant, now))
  return Math.min(...recent.map((instant) => instant + recentMs), Number.POSITIVE_INFINITY)
}

function isRecent(instant: number | null, now: number): instant is number {
  return instant !== null && now - instant < recentMs
}
