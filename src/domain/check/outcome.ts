/** The verdict of a check on its target: `unknown` when the reason of the outcome says nothing about the target. */
export type Verdict = 'up' | 'down' | 'unknown'

/** The facts that follow from a reason alone. */
type ReasonFacts = {
  readonly verdict: Verdict
  /**
   * What the peer did with our SYN. `completed`: it completed the handshake. `declined`: it answered with an RST. `none`: it did not answer, or the
   * prober cannot know.
   */
  readonly handshake: 'completed' | 'declined' | 'none'
  /** Whether the next check of the target probably takes as long as this one did. Such targets share a part of the checks in flight. */
  readonly countsAsSlow: boolean
  /**
   * Whether the check ran out of time. `by-code`: only where the outcome has no code, because a look-up ran out of time, or `ETIME`, because the
   * dial began too late.
   */
  readonly ranOutOfTime: boolean | 'by-code'
  /**
   * What the reason speaks about: the target, this Porthole and its machine, its dial rules, the registration of the service, or a word of a newer
   * version.
   */
  readonly about: 'target' | 'self' | 'rules' | 'registration' | 'foreign'
}

/**
 * The closed list of reasons, with all that follows from each. Every check ends with one of them, except `expired`, which is only for
 * registrations. Code asks the functions below, and compares with no single reason. So a new reason needs only its row here, its sentence in
 * `diagnosis.ts`, and its descriptions in the documentation.
 */
const table = {
  connected: { verdict: 'up', handshake: 'completed', countsAsSlow: false, ranOutOfTime: false, about: 'target' },
  refused: { verdict: 'down', handshake: 'declined', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  rejected: { verdict: 'down', handshake: 'none', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  timeout: { verdict: 'down', handshake: 'none', countsAsSlow: true, ranOutOfTime: true, about: 'target' },
  unreachable: { verdict: 'down', handshake: 'none', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  reset: { verdict: 'down', handshake: 'completed', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  mismatch: { verdict: 'down', handshake: 'completed', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  tls: { verdict: 'down', handshake: 'completed', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  dns: { verdict: 'down', handshake: 'none', countsAsSlow: true, ranOutOfTime: false, about: 'target' },
  local: { verdict: 'unknown', handshake: 'none', countsAsSlow: true, ranOutOfTime: 'by-code', about: 'self' },
  denied: { verdict: 'unknown', handshake: 'none', countsAsSlow: true, ranOutOfTime: false, about: 'rules' },
  expired: { verdict: 'down', handshake: 'none', countsAsSlow: true, ranOutOfTime: false, about: 'registration' },
  other: { verdict: 'unknown', handshake: 'none', countsAsSlow: true, ranOutOfTime: false, about: 'foreign' },
} as const satisfies Record<string, ReasonFacts>

export type Reason = keyof typeof table

/** The facts again, with the type of every row. */
const facts: Readonly<Record<Reason, ReasonFacts>> = table

/** All reasons, in the order of the table. Columns and messages between threads of one process hold the position in this list. */
export const reasons = Object.keys(table) as readonly Reason[]

/** Returns the reason that a word stands for; `other` for a word of a newer version of Porthole, which this version does not know. */
export function reasonOf(word: string): Reason {
  return reasons.find((reason) => reason === word) ?? 'other'
}

/** Returns the verdict that a reason carries. */
export function verdictOf(reason: Reason): Verdict {
  return facts[reason].verdict
}

/** Returns whether a check with this reason completed the handshake, whatever its verdict. */
export function completedHandshake(reason: Reason): boolean {
  return facts[reason].handshake === 'completed'
}

/** Returns whether the peer answered the SYN, with a handshake or a refusal, so that the dial has a latency. */
export function wasAnswered(reason: Reason): boolean {
  return facts[reason].handshake !== 'none'
}

/** Returns whether a check that took long and ended with this reason makes its target slow: the next check probably takes as long. */
export function countsAsSlow(reason: Reason): boolean {
  return facts[reason].countsAsSlow
}

/** Returns whether a check ran out of time, so that its outcome may have another cause: this process or its prober may not have run. */
export function ranOutOfTime({ reason, code }: Pick<Outcome, 'reason' | 'code'>): boolean {
  const { ranOutOfTime } = facts[reason]
  return ranOutOfTime === 'by-code' ? code === null || code === 'ETIME' : ranOutOfTime
}

/** Returns whether the fault is that of Porthole or its machine. */
export function isOwnFault(reason: Reason): boolean {
  return facts[reason].about === 'self'
}

/** Returns whether the reason stands for one that only a newer version knows. `code` of the outcome has its word. */
export function isForeign(reason: Reason): boolean {
  return facts[reason].about === 'foreign'
}

/**
 * Returns the matcher of PromQL for the values of the label `reason` that make a target down. `porthole_target_down_reason` has no reason that is
 * up, so the matcher leaves out only reasons with the verdict unknown.
 */
export function downReasonMatcher(): string {
  return `reason!~"${reasons.filter((reason) => verdictOf(reason) === 'unknown').join('|')}"`
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
   * the reason that a newer version gave (`other`). With a reason that is up it is the error with which the peer ended the connection at once.
   * Null when the check succeeded or its own deadline ended it.
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
