import { constants } from 'node:os'
import type { Answer, IcmpError, Outcome, Reason } from '../../domain/outcome.ts'
import type { NextHop } from './next-hop.ts'
import { TCP_SYN_SENT, type TcpInfo } from './sockets.ts'

/** What the kernel said of one dial. */
export type Evidence = {
  /** The error's number; 0: connected; null: our own deadline ended it. */
  readonly errno: number | null
  /** The call itself failed, before anything could be answered. */
  readonly atOnce: boolean
  /** Null when there was not even a socket. */
  readonly info: TcpInfo | null
  readonly icmp: IcmpError | null
  /** This machine sent the ICMP message to itself. */
  readonly icmpFromSelf: boolean
}

/** A verdict on a dial. `errno` is the number of the error that says most about it; null when there was none. */
export type Judgement = Pick<Outcome, 'reason' | 'answer'> & {
  readonly errno: number | null
  /** The gateway that does not answer, where that is why. */
  readonly gateway?: string | null
}

/** Why a dial ended as it did, and what answered it. */
export function judge({ errno, atOnce, info, icmp, icmpFromSelf }: Evidence): Judgement {
  if (errno === 0 || isAfterHandshake(errno)) {
    // A listener offers a window at once, a SYN proxy only when its own connection to the server stands (synproxy_send_client_synack).
    return { reason: 'connected', answer: info?.window === 0 ? 'zero-window' : 'syn-ack', errno: errno || null }
  }
  if (icmp !== null) return judgeIcmp(icmp, icmpFromSelf, errno)
  if (errno === null) return judgeSilence(info)
  if (atOnce) return { reason: 'local', answer: null, errno }
  const reason = withoutIcmp.get(errno) ?? 'local'
  return { reason, answer: reason === 'refused' ? 'rst' : null, errno }
}

/**
 * An ICMP message tells more than the errno Linux makes of it: port unreachable reads ECONNREFUSED as an RST does,
 * admin-prohibited reads EHOSTUNREACH as a missing host does.
 */
function judgeIcmp(icmp: IcmpError, fromSelf: boolean, errno: number | null): Judgement {
  // Our own kernel reports a neighbour that does not answer ARP or ND this way; what else it says, our firewall makes it say.
  const isNeighbour = icmp.version === 4 ? icmp.type === 3 && icmp.code === 1 : icmp.type === 1 && icmp.code === 3
  if (fromSelf && isNeighbour) return { reason: 'unreachable', answer: 'no-neighbour', errno }
  return { reason: fromSelf ? 'local' : reasonOfIcmp(icmp), answer: 'icmp', errno }
}

/** RFC 792, RFC 1122 §3.2.2.1 and RFC 1812 §5.2.7.1 for IPv4, RFC 4443 §3 for IPv6: is the message a "no", or "cannot get there"? */
function reasonOfIcmp({ version, type, code }: IcmpError): Reason {
  const refusals = version === 4 ? [2, 3, 9, 10, 13] : [1, 4, 5, 6]
  return type === (version === 4 ? 3 : 1) && refusals.includes(code) ? 'rejected' : 'unreachable'
}

/**
 * Nothing came back in time; the retransmission timer tells whether anything went out. It fired, but no SYN was sent
 * again: the first still waits for a neighbour's address (tcp_retransmit_skb returns -EBUSY). It sent SYNs again, but
 * none counts as out: our own firewall dropped them (`retrans_out` grows only where sending succeeded).
 */
function judgeSilence(info: TcpInfo | null): Judgement {
  if (info?.state === TCP_SYN_SENT && info.timeouts > 0) {
    if (info.synRetransmits === 0) return { reason: 'unreachable', answer: 'no-neighbour', errno: null }
    if (info.retransmitsOut === 0) return { reason: 'local', answer: null, errno: constants.errno.EPERM }
  }
  return { reason: 'timeout', answer: 'nothing', errno: null }
}

/** Errors that the network can bring without an ICMP message to show for them. The others are our own fault. */
const withoutIcmp: ReadonlyMap<number, Reason> = new Map([
  [constants.errno.ECONNREFUSED, 'refused'],
  [constants.errno.ETIMEDOUT, 'timeout'],
  [constants.errno.EHOSTUNREACH, 'unreachable'],
  [constants.errno.ENETUNREACH, 'unreachable'],
])

/**
 * Whether an error proves that the handshake was complete: an RST that answers the SYN reads ECONNREFUSED, one that comes later
 * ECONNRESET, or EPIPE after a FIN (tcp_reset in net/ipv4/tcp_input.c).
 */
export function isAfterHandshake(errno: number | null): errno is number {
  return errno === constants.errno.ECONNRESET || errno === constants.errno.EPIPE
}

/** Whether an error that connect(2) returned came from the peer after all: on loopback its RST is back before the call is. */
export function isAnswer(errno: number): boolean {
  return errno === constants.errno.ECONNREFUSED || isAfterHandshake(errno)
}

/** Whether a dial may have failed at its next hop: a deadline or an error ended it, and no other machine is known to have answered. */
export function dependsOnNextHop({ errno, atOnce }: Evidence, { reason, answer }: Judgement): boolean {
  if (atOnce || answer === 'icmp') return false
  return errno === null || reason === 'timeout' || reason === 'unreachable'
}

/**
 * Judges a dial that may have failed at its next hop once that is known; null where the route cannot be read. The silence of a
 * gateway says nothing of the host behind it. The state of the neighbour also tells of silence that the socket does not show:
 * before the first retransmission, and where so many SYNs wait for one neighbour that the kernel drops some of them
 * (unres_qlen_bytes in arp(7)), which then look sent or forbidden.
 */
export function judgeNextHop(judgement: Judgement, hop: NextHop | null): Judgement {
  const isSilent = judgement.answer === 'no-neighbour' || hop?.isSilent === true
  if (!isSilent) return judgement
  const { errno } = judgement
  if (hop === null) return { reason: 'unreachable', answer: 'no-next-hop', errno }
  if (hop.gateway === null) return { reason: 'unreachable', answer: 'no-neighbour', errno }
  return { reason: 'local', answer: 'no-gateway', errno, gateway: hop.gateway }
}

/** What answered, for those who only ask whether it counts as a round trip. */
export function isRoundTrip(answer: Answer | null): boolean {
  return answer === 'syn-ack' || answer === 'zero-window' || answer === 'rst' || answer === 'icmp'
}
