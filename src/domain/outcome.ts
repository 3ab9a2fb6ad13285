import { z } from 'zod'

/** Why something is as it is: a closed list, one per outcome of a check. No check ends as `expired`, which is a registration's. */
export const Reason = z.enum([
  'connected',
  'refused',
  'rejected',
  'timeout',
  'unreachable',
  'reset',
  'mismatch',
  'tls',
  'dns',
  'local',
  'denied',
  'expired',
  'other',
])
export type Reason = z.infer<typeof Reason>

/** Returns the reason that a word means. One of a newer version of Porthole, which this version does not know, is `other`. */
export function reasonOf(word: string): Reason {
  return Reason.options.find((reason) => reason === word) ?? 'other'
}

/** What an outcome says of its target; `unknown` when it was not for the target that the check failed. */
export type Verdict = 'up' | 'down' | 'unknown'

/**
 * The verdict of each reason. Three say nothing of the target: `local` is Porthole's own fault, `denied` follows from its rules, and `other`
 * is a word of a newer version.
 */
const verdicts = {
  connected: 'up',
  refused: 'down',
  rejected: 'down',
  timeout: 'down',
  unreachable: 'down',
  reset: 'down',
  mismatch: 'down',
  tls: 'down',
  dns: 'down',
  local: 'unknown',
  denied: 'unknown',
  expired: 'down',
  other: 'unknown',
} as const satisfies Record<Reason, Verdict>

/** Returns the verdict that a reason carries. */
export function verdictOf(reason: Reason): Verdict {
  return verdicts[reason]
}

/**
 * What came back to a SYN: the handshake's second packet, a reset, an ICMP error, nothing. Or the SYN never left, because ARP or
 * neighbour discovery brought no answer: from the host on our own network (`no-neighbour`), from the gateway on the way to it
 * (`no-gateway`), or from one of the two where the route cannot be read (`no-next-hop`). `zero-window` is a SYN-ACK that allows no
 * byte to be sent, as SYN proxies answer before they know whether anything listens. New words go to the end: replicas and
 * columns know them by their places.
 */
export const Answer = z.enum([
  'syn-ack',
  'rst',
  'icmp',
  'no-neighbour',
  'nothing',
  'no-gateway',
  'no-next-hop',
  'zero-window',
])
export type Answer = z.infer<typeof Answer>

/** A message of the network about a packet of ours that it did not deliver (RFC 792, RFC 4443). */
export type IcmpError = {
  readonly version: 4 | 6
  readonly type: number
  readonly code: number
  /** The IP of who sent it; null where the kernel does not tell. */
  readonly from: string | null
}

/** What one check found. Times are instants of the monotonic clock, in milliseconds. */
export type Outcome = {
  readonly reason: Reason
  /** When the check began: after any wait for its turn, before its name was resolved. */
  readonly startedAt: number
  /** When it ended. */
  readonly endedAt: number
  /** The literal address dialled; null when the name could not be resolved. */
  readonly address: string | null
  /** From SYN to SYN-ACK (or to the refusal), in milliseconds; null when nothing answered. */
  readonly latencyMs: number | null
  /** SYNs sent again; null where the prober cannot see them. */
  readonly synRetransmits: number | null
  /** Null where the prober cannot see it, or nothing was sent. */
  readonly answer: Answer | null
  /** What the network said; null when it said nothing, or the prober cannot see it. */
  readonly icmp: IcmpError | null
  /**
   * The error's name (`EMFILE`, `EAI_AGAIN`), the dial rule that denied it, the gateway that did not answer (`no-gateway`), or the word
   * behind `other`. With `connected` it is the error by which the peer ended the connection at once. Null when the check succeeded or
   * its own deadline ended it.
   */
  readonly code: string | null
  /**
   * What else there is to say, as a phrase for people: what came of the other addresses of its name where none connected, and that the
   * name cannot be looked up. Null when there is nothing.
   */
  readonly note: string | null
  /** How long the check waited for the look-up of its name, in milliseconds; null for a literal address, and where the answer was cached. */
  readonly lookupMs: number | null
  /** Since when the name, which was looked up before, cannot be; null for a literal address, and while look-ups work. */
  readonly lookupFailedSince: number | null
}
