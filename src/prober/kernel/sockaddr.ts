import { isIP } from 'node:net'
import type { Libc } from './libc.ts'

/** Address families (socket.h). */
export const AF_INET = 2
export const AF_INET6 = 10
/** The longest IPv6 address as text, with its end (in.h). */
const INET6_ADDRSTRLEN = 46

/**
 * Lays out a literal IP, with a zone such as `fe80::1%eth0` or without, and a port as a `struct sockaddr_in` or
 * `sockaddr_in6` (ip(7), ipv6(7)) at the start of `into`, and returns its length. Port in network order, all else little-endian.
 * A zone that is no interface becomes 0, which connect(2) refuses for the addresses that need one.
 */
export function layOutAddress(libc: Libc, ip: string, port: number, into: Buffer): number {
  const [address = '', zone] = ip.split('%')
  const isV6 = isIP(address) === 6
  const length = isV6 ? 28 : 16
  into.fill(0, 0, length)
  into.writeUInt16LE(isV6 ? AF_INET6 : AF_INET, 0)
  into.writeUInt16BE(port, 2)
  if (isV6) libc.inetPton(AF_INET6, address, into.subarray(8, 24))
  else libc.inetPton(AF_INET, address, into.subarray(4, 8))
  if (zone !== undefined) into.writeUInt32LE(/^\d{1,9}$/.test(zone) ? Number(zone) : libc.ifNameToIndex(zone), 24)
  return length
}

/** The IP and port of a `struct sockaddr` at the start of `from`; null when its family is none of ours. */
export function readAddress(libc: Libc, from: Buffer): { readonly ip: string; readonly port: number } | null {
  const family = from.readUInt16LE(0)
  if (family !== AF_INET && family !== AF_INET6) return null
  const text = Buffer.alloc(INET6_ADDRSTRLEN)
  libc.inetNtop(family, from.subarray(family === AF_INET ? 4 : 8), text, text.length)
  return { ip: text.toString('latin1', 0, text.indexOf(0)), port: from.readUInt16BE(2) }
}
