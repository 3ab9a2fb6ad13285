/** The closed list of reasons. Every check ends with one of them, except `expired`, which is only for registrations. */
export const reasons = [
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
] as const
export type Reason = (typeof reasons)[number]

/** Returns the reason that a word stands for; `other` for a word of a newer version of Porthole, which this version does not know. */
export function reasonOf(word: string): Reason {
  return reasons.find((reason) => reason === word) ?? 'other'
}

/** The verdict of a check on its target: `unknown` when the reason of the outcome says nothing about the target. */
export type Verdict = 'up' | 'down' | 'unknown'

/**
 * The verdict of each reason. Three reasons say nothing about the target: `local` is Porthole's own fault, `denied` follows from its dial rules,
 * and `other` is a reason of a newer version.
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
 * The answer to a SYN: a SYN-ACK, a reset, an ICMP error, or nothing. In three cases the SYN never left, because ARP or neighbour discovery got
 * no reply. The silent machine is the host on our own network (`no-neighbour`), the gateway on the way to it (`no-gateway`), or one of the two
 * where the route cannot be read (`no-next-hop`). `zero-window` is a SYN-ACK that allows no byte to be sent. SYN proxies send it before they know
 * whether anything listens. Add new words at the end, because replicas and columns store the position in this list.
 */
export const answers = [
  'syn-ack',
  'rst',
  'icmp',
  'no-neighbour',
  'nothing',
  'no-gateway',
  'no-next-hop',
  'zero-window',
] as const
export type Answer = (typeof answers)[number]

/** An ICMP error: the network reports that it did not deliver a packet of ours (RFC 792, RFC 4443). */
export type IcmpError = {
  readonly version: 4 | 6
  readonly type: number
  readonly code: number
  /** The IP of the sender; null where the kernel does not report it. */
  readonly from: string | null
}

/** The result of one check. Times are instants of the monotonic clock, in milliseconds. */
export type Outcome = {
  readonly reason: Reason
  /** When the check began: after any wait in the queue, before the look-up of its name. */
  readonly startedAt: number
  readonly endedAt: number
  /** The literal address dialled; null when the name was not resolved. */
  readonly address: string | null
  /** From SYN to SYN-ACK (or to the refusal), in milliseconds; null when nothing answered. */
  readonly latencyMs: number | null
  /** How many SYNs were sent again; null where the prober cannot see them. */
  readonly synRetransmits: number | null
  /** Null where the prober cannot see the answer, or nothing was sent. */
  readonly answer: Answer | null
  /** The last ICMP error about the dial; null when there was none, or the prober cannot see it. */
  readonly icmp: IcmpError | null
  /**
   * The name of the error (`EMFILE`, `EAI_AGAIN`), the dial rule that denied the address, the gateway that did not answer (`no-gateway`), or
   * the reason that a newer version gave (`other`). With `connected` it is the error with which the peer ended the connection at once. Null
   * when the check succeeded or its own deadline ended it.
   */
  readonly code: string | null
  /**
   * A note for people: the results of the other addresses of the name where none connected, and that look-ups of the name fail. Null without
   * a note.
   */
  readonly note: string | null
  /** How long the check waited for the look-up of its name, in milliseconds; null for a literal address, and where the answer was cached. */
  readonly lookupMs: number | null
  /** Since when look-ups of the name fail, after one that succeeded; null for a literal address, and while look-ups work. */
  readonly lookupFailedSince: number | null
}
