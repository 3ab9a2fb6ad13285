import { constants } from 'node:os'
import type { Answer, IcmpError, Outcome, Reason } from '../../domain/check/outcome.ts'
import type { NextHop } from './next-hop.ts'
import { TCP_SYN_SENT, type TcpInfo } from './sockets.ts'

/** The facts that the kernel reports about one dial. */
export type Evidence = {
  /** The error number; 0 when the dial connected, null when our own deadline ended it. */
  readonly errno: number | null
  /** Whether connect(2) itself failed, before any answer could arrive. */
  readonly failedSynchronously: boolean
  /** Null when there was no socket. */
  readonly info: TcpInfo | null
  readonly icmp: IcmpError | null
  /** Whether this machine sent the ICMP message to itself. */
  readonly icmpFromSelf: boolean
}

/** The classification of a dial. `errno` is the error number that describes it best; null when there is none. */
export type Classification = Pick<Outcome, 'reason' | 'answer'> & {
  readonly errno: number | null
  /** The gateway that does not answer, if that is the cause. */
  readonly gateway?: string | null
}

/** Classifies a dial: returns its reason and the answer to its SYN. */
export function classify({ errno, failedSynchronously, info, icmp, icmpFromSelf }: Evidence): Classification {
  if (errno === 0 || isAfterHandshake(errno)) {
    // A listener offers a window in its SYN-ACK. A SYN proxy offers one only after it connected to the server (synproxy_send_client_synack).
    return { reason: 'connected', answer: info?.window === 0 ? 'zero-window' : 'syn-ack', errno: errno || null }
  }
  if (icmp !== null) return classifyIcmp(icmp, icmpFromSelf, errno)
  if (errno === null) return classifySilence(info)
  if (failedSynchronously) return { reason: 'local', answer: null, errno }
  if (errno === constants.errno.ECONNREFUSED) return { reason: 'refused', answer: 'rst', errno }
  return { reason: withoutAnswer.get(errno) ?? 'local', answer: null, errno }
}

/**
 * Classifies a dial by its ICMP message, which is more exact than the errno that Linux derives from it. Port unreachable gives ECONNREFUSED, as
 * an RST does. Admin-prohibited gives EHOSTUNREACH, as a missing host does.
 */
function classifyIcmp(icmp: IcmpError, fromSelf: boolean, errno: number | null): Classification {
  // Our own kernel reports a neighbour that does not answer ARP or ND this way. Its other messages come from our own firewall.
  const isNeighbour = icmp.version === 4 ? icmp.type === 3 && icmp.code === 1 : icmp.type === 1 && icmp.code === 3
  if (fromSelf && isNeighbour) return { reason: 'unreachable', answer: 'no-neighbour', errno }
  return { reason: fromSelf ? 'local' : reasonOfIcmp(icmp), answer: 'icmp', errno }
}

/**
 * Returns `rejected` for an ICMP message that refuses the packet, and `unreachable` for any other. The codes are those of RFC 792, RFC 1122 §3.2.2.1
 * and RFC 1812 §5.2.7.1 for IPv4, and of RFC 4443 §3 for IPv6.
 */
function reasonOfIcmp({ version, type, code }: IcmpError): Reason {
  const refusals = version === 4 ? [2, 3, 9, 10, 13] : [1, 4, 5, 6]
  return type === (version === 4 ? 3 : 1) && refusals.includes(code) ? 'rejected' : 'unreachable'
}

/**
 * Classifies a dial without an answer before the deadline. The retransmission timer shows whether a SYN left. If the timer fired but no SYN was
 * sent again, the first SYN still waits for the address of a neighbour (tcp_retransmit_skb returns -EBUSY). If SYNs were sent again but none
 * counts as out, our own firewall dropped them (`retrans_out` grows only when sending succeeded).
 */
function classifySilence(info: TcpInfo | null): Classification {
  if (info?.state === TCP_SYN_SENT && info.timeouts > 0) {
    if (info.synRetransmits === 0) return { reason: 'unreachable', answer: 'no-neighbour', errno: null }
    if (info.retransmitsOut === 0) return { reason: 'local', answer: null, errno: constants.errno.EPERM }
  }
  return { reason: 'timeout', answer: 'nothing', errno: null }
}

/** The errors that can come from the network without an RST and without an ICMP message. Any other error is our own fault. */
const withoutAnswer: ReadonlyMap<number, Reason> = new Map([
  [constants.errno.ETIMEDOUT, 'timeout'],
  [constants.errno.EHOSTUNREACH, 'unreachable'],
  [constants.errno.ENETUNREACH, 'unreachable'],
])

/**
 * Returns whether an error proves that the handshake completed. An RST that answers the SYN is ECONNREFUSED; a later RST is ECONNRESET, or EPIPE
 * after a FIN (tcp_reset in net/ipv4/tcp_input.c).
 */
export function isAfterHandshake(errno: number | null): errno is number {
  return errno === constants.errno.ECONNRESET || errno === constants.errno.EPIPE
}

/** Returns whether an error of connect(2) came from the peer. On loopback the RST of the peer arrives before the call returns. */
export function isAnswer(errno: number): boolean {
  return errno === constants.errno.ECONNREFUSED || isAfterHandshake(errno)
}

/** Returns whether a dial may have failed at its next hop: a deadline or an error ended it, and there is no sign that another machine answered. */
export function dependsOnNextHop({ errno, failedSynchronously }: Evidence, { answer }: Classification): boolean {
  if (failedSynchronously || answer === 'icmp') return false
  return errno === null || answer === 'no-neighbour' || withoutAnswer.has(errno)
}

/**
 * Classifies a dial that may have failed at its next hop. `hop` is null where the route cannot be read. A silent gateway says nothing about the
 * host behind it. The state of the neighbour also shows silence that the socket does not show. One case is the time before the first retransmission.
 * In the other case many SYNs wait for one neighbour and the kernel drops some (unres_qlen_bytes in arp(7)), which then look sent or forbidden.
 */
export function classifyNextHop(classification: Classification, hop: NextHop | null): Classification {
  const isSilent = classification.answer === 'no-neighbour' || hop?.isSilent === true
  if (!isSilent) return classification
  const { errno } = classification
  if (hop === null) return { reason: 'unreachable', answer: 'no-next-hop', errno }
  if (hop.gateway === null) return { reason: 'unreachable', answer: 'no-neighbour', errno }
  return { reason: 'local', answer: 'no-gateway', errno, gateway: hop.gateway }
}

/** Returns whether an answer made a round trip, so that the dial has a latency. */
export function isRoundTrip(answer: Answer | null): boolean {
  return answer === 'syn-ack' || answer === 'zero-window' || answer === 'rst' || answer === 'icmp'
}
