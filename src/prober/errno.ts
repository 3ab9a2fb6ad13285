import { constants } from 'node:os'
import type { Reason } from '../domain/outcome.ts'

/**
 * What an error means when the network brought it. Linux turns ICMP messages into these (icmp_err_convert in
 * net/ipv4/icmp.c, tab_unreach in net/ipv6/icmp.c). Every error that is not listed is our own fault.
 */
const fromNetwork: ReadonlyMap<string, Reason> = new Map([
  ['ECONNREFUSED', 'refused'], // RST, or ICMP port unreachable: from here they look the same
  ['ETIMEDOUT', 'timeout'], // the kernel gave up before we did
  ['EHOSTUNREACH', 'unreachable'], // no ARP or ND answer; ICMP host unreachable, admin-prohibited (IPv4), time exceeded
  ['ENETUNREACH', 'unreachable'], // a router has no route
  ['EACCES', 'unreachable'], // ICMPv6 admin-prohibited, policy, reject route
  ['EHOSTDOWN', 'unreachable'], // ICMP host unknown
  ['ENONET', 'unreachable'], // ICMP host isolated
  ['ENOPROTOOPT', 'unreachable'], // ICMP protocol unreachable
  ['EOPNOTSUPP', 'unreachable'], // ICMP source route failed
  ['EPROTO', 'unreachable'], // ICMP parameter problem
  ['ECONNRESET', 'connected'], // an RST after the handshake: the RST that answers a SYN reads ECONNREFUSED
  ['EPIPE', 'connected'], // a FIN and an RST after the handshake
])

/**
 * Why a dial ended with an error. `atOnce`: connect(2) itself returned the error, so no packet was answered and the fault is ours
 * (no route, prohibited by our own table, out of ports), whatever the same error would mean later. Only a peer resets.
 */
export function reasonOfDial(code: string, atOnce: boolean): Reason {
  const reason = fromNetwork.get(code) ?? 'local'
  return atOnce && reason !== 'connected' ? 'local' : reason
}

/** Why a look-up failed. Only a resolver that answered "no such name" says something of the target. */
export function reasonOfLookup(code: string): Reason {
  return code === 'ENOTFOUND' ? 'dns' : 'local'
}

/** The name of an error: its code (`EMFILE`), else its class. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number as number, name]))

/** The name of an error's number, such as `ECONNREFUSED` for 111. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}
