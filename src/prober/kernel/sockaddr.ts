import type { Libc, Memory } from './libc.ts'

/** Address families (socket.h). */
export const AF_INET = 2
export const AF_INET6 = 10
/** How many 32-bit words the longest address takes. */
export const addressWords = 7

/** Memory for a `struct sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)). */
export function allocateAddress(libc: Libc): Memory {
  return libc.allocate(addressWords * 4)
}

/** Whether an address is IPv4 or IPv6, by its first word: the family is its lower half, the port its upper. */
export function familyOf(firstWord: number): typeof AF_INET | typeof AF_INET6 {
  return (firstWord & 0xffff) === AF_INET ? AF_INET : AF_INET6
}

/** The port of an address, by its first word. */
export function portOf(firstWord: number): number {
  return ((firstWord >>> 8) & 0xff00) | (firstWord >>> 24)
}

/**
 * Lays out a literal IP, with a zone such as `fe80::1%eth0` or without, and a port. Port in network order, all else
 * little-endian. A zone that is no interface becomes 0, which connect(2) refuses for the addresses that need one.
 */
export function layOutAddress(libc: Libc, ip: string, port: number, { bytes, words, address }: Memory): void {
  words.fill(0)
  bytes[2] = port >>> 8
  bytes[3] = port & 0xff
  if (!ip.includes(':')) {
    bytes[0] = AF_INET
    layOutIPv4(ip, bytes)
    return
  }
  const [unzoned = '', zone] = ip.split('%')
  bytes[0] = AF_INET6
  libc.inetPton(AF_INET6, unzoned, address + 8)
  if (zone !== undefined) words[6] = /^\d{1,9}$/.test(zone) ? Number(zone) : libc.ifNameToIndex(zone)
}

/** Digit by digit: every check comes through here, and parts of text cost more than the whole. */
function layOutIPv4(ip: string, bytes: Buffer): void {
  let at = 4
  let byte = 0
  for (let i = 0; i < ip.length; i++) {
    const digit = ip.charCodeAt(i) - 48
    if (digit >= 0) byte = byte * 10 + digit
    else {
      bytes[at++] = byte
      byte = 0
    }
  }
  bytes[at] = byte
}

/** The IP and port of a `struct sockaddr` that lies `at` bytes into some memory; null when its family is none of ours. */
export function readAddress(
  libc: Libc,
  { bytes, address }: Memory,
  at = 0,
): { readonly ip: string; readonly port: number } | null {
  const family = bytes.readUInt16LE(at)
  if (family !== AF_INET && family !== AF_INET6) return null
  const ip = libc.inetNtop(family, address + at + (family === AF_INET ? 4 : 8))
  return { ip, port: bytes.readUInt16BE(at + 2) }
}

/** Copies an address, word by word, from where it lies in an array of numbers. */
export function copyWords(from: ArrayLike<number>, at: number, into: Uint32Array): void {
  for (let i = 0; i < addressWords; i++) into[i] = from[at + i] ?? 0
}
