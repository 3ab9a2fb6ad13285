import { constants } from 'node:os'
import type { IcmpError, Reason } from '../../domain/outcome.ts'

/** What the kernel said of one dial. */
export type Evidence = {
  /** The error's number; 0: connected; null: our own deadline ended it. */
  readonly errno: number | null
  /** Whether connect(2), or a call before it, failed by itself: no packet was answered. */
  readonly atOnce: boolean
  readonly icmp: IcmpError | null
  /** Whether the ICMP message came from this machine. */
  readonly icmpFromSelf: boolean
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number as number, name]))

/** The name of an error's number, such as `ECONNREFUSED` for 111. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}

/**
 * Why a dial ended as it did. An ICMP message tells more than the errno that Linux makes of it: port unreachable reads
 * ECONNREFUSED like an RST does, admin-prohibited reads EHOSTUNREACH like a missing host does.
 */
export function reasonOf({ errno, atOnce, icmp, icmpFromSelf }: Evidence): Reason {
  if (errno === 0) return 'connected'
  if (icmp !== null) {
    const reason = reasonOfIcmp(icmp)
    // Our own kernel reports a neighbour that does not answer; what else it says, our own firewall made it say.
    return icmpFromSelf && reason === 'rejected' ? 'local' : reason
  }
  if (errno === null) return 'timeout'
  return atOnce ? 'local' : (withoutIcmp.get(errnoName(errno)) ?? 'local')
}

/** Errors that the network can bring without an ICMP message to show for them. The others are our own fault. */
const withoutIcmp: ReadonlyMap<string, Reason> = new Map([
  ['ECONNREFUSED', 'refused'],
  ['ETIMEDOUT', 'timeout'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
])

/** RFC 792, RFC 1122 §3.2.2.1 and RFC 1812 §5.2.7.1 for IPv4, RFC 4443 §3 for IPv6: is the message a "no", or "cannot get there"? */
function reasonOfIcmp({ version, type, code }: IcmpError): Reason {
  if (version === 4) return type === 3 && [2, 3, 9, 10, 13].includes(code) ? 'rejected' : 'unreachable'
  return type === 1 && [1, 4, 5, 6].includes(code) ? 'rejected' : 'unreachable'
}
