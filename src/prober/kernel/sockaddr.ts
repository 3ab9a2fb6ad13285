import { isIP } from 'node:net'
import type { Libc } from './libc.ts'

/** Address families (socket.h). */
export const AF_INET = 2
export const AF_INET6 = 10

/**
 * Lays out a literal IP, with a zone such as `fe80::1%eth0` or without, and a port as a `struct sockaddr_in` or
 * `sockaddr_in6` (ip(7), ipv6(7)) at the start of `into`, and returns its length. Port in network order, all else little-endian.
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
  if (zone !== undefined) into.writeUInt32LE(/^\d+$/.test(zone) ? Number(zone) : libc.ifNameToIndex(zone), 24)
  return length
}

/** The IP and port of a `struct sockaddr` at the start of `bytes`; null when its family is none of ours. */
export function readAddress(bytes: Buffer): { readonly ip: string; readonly port: number } | null {
  const family = bytes.readUInt16LE(0)
  const port = bytes.readUInt16BE(2)
  if (family === AF_INET) return { ip: bytes.subarray(4, 8).join('.'), port }
  if (family === AF_INET6) return { ip: formatV6(bytes.subarray(8, 24)), port }
  return null
}

/** RFC 5952: hexadecimal without leading zeros, the first longest run of at least two zero groups as `::`. */
function formatV6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':')
  const runs = groups.match(/\b0(?::0)+\b/g) ?? []
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '')
  if (longest === '') return groups
  const at = groups.indexOf(longest)
  return `${groups.slice(0, at).replace(/:$/, '')}::${groups.slice(at + longest.length).replace(/^:/, '')}`
}
