import { constants } from 'node:os'
import { completedHandshake, type Reason } from '../domain/check/outcome.ts'

/**
 * The reason for each error that comes from the network. Linux turns ICMP messages into these errors (icmp_err_convert in
 * net/ipv4/icmp.c, tab_unreach in net/ipv6/icmp.c). Any other error is our own fault.
 */
const fromNetwork: ReadonlyMap<string, Reason> = new Map([
  ['ECONNREFUSED', 'refused'], // RST or ICMP port unreachable, which have the same error
  ['ETIMEDOUT', 'timeout'], // the kernel gave up before our deadline
  ['EHOSTUNREACH', 'unreachable'], // no ARP or ND answer; ICMP host unreachable, admin-prohibited (IPv4), time exceeded
  ['ENETUNREACH', 'unreachable'], // a router has no route
  ['EACCES', 'unreachable'], // ICMPv6 admin-prohibited, policy, reject route
  ['EHOSTDOWN', 'unreachable'], // ICMP host unknown
  ['ENONET', 'unreachable'], // ICMP host isolated
  ['ENOPROTOOPT', 'unreachable'], // ICMP protocol unreachable
  ['EOPNOTSUPP', 'unreachable'], // ICMP source route failed
  ['EPROTO', 'unreachable'], // ICMP parameter problem
  ['ECONNRESET', 'connected'], // RST after the handshake; an RST that answers the SYN is ECONNREFUSED
  ['EPIPE', 'connected'], // FIN and RST after the handshake
])

/**
 * Returns the reason of a dial that ended with an error. `atOnce` means that connect(2) itself returned the error. Then no packet was answered,
 * so the fault is ours (no route, prohibited by our own table, out of ports). The same error would mean something else if it came later. A reset
 * is the exception, because it always comes from the peer.
 */
export function reasonOfDial(code: string, failedSynchronously: boolean): Reason {
  const reason = fromNetwork.get(code) ?? 'local'
  return failedSynchronously && !completedHandshake(reason) ? 'local' : reason
}

/** Returns whether a failed look-up was answered: the name does not exist, or has no address. */
export function isNoSuchName(code: string): boolean {
  return code === 'ENOTFOUND'
}

/** Returns the reason of a look-up that failed. Only the answer "no such name" says something about the target. */
export function reasonOfLookup(code: string): Reason {
  return isNoSuchName(code) ? 'dns' : 'local'
}

/** Returns the name of an error: its code (`EMFILE`), otherwise its class. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number as number, name]))

/** Returns the name of an error number, such as `ECONNREFUSED` for 111. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}
