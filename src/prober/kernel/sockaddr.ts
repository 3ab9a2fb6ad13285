import type { Libc, Memory } from './libc.ts'

/** Address families (socket.h). */
export const AF_INET = 2
export const AF_INET6 = 10
/** The number of 32-bit words in the longest address. */
export const addressWords = 7
/** The third word of an IPv4-mapped address (`::ffff:0:0/96`, RFC 4291 §2.5.5.2), as little-endian. */
const mappedWord = 0xffff0000

/** Allocates memory for a `struct sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)). */
export function allocateAddress(libc: Libc): Memory {
  return libc.allocate(addressWords * 4)
}

/** Returns the family of an address from its first word: the family is the lower half, the port the upper half. */
export function familyOf(firstWord: number): typeof AF_INET | typeof AF_INET6 {
  return (firstWord & 0xffff) === AF_INET ? AF_INET : AF_INET6
}

/** Returns the port of an address from its first word. */
export function portOf(firstWord: number): number {
  return ((firstWord >>> 8) & 0xff00) | (firstWord >>> 24)
}

/**
 * Writes a literal IP, with or without a zone (`fe80::1%eth0`), and a port as a `struct sockaddr`. The port is in network order, the rest is
 * little-endian. A zone that is not an interface becomes 0. connect(2) rejects 0 for an address that needs a zone.
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

/**
 * Writes an address to dial as a `struct sockaddr`. An IPv4-mapped address becomes the IPv4 address that Linux dials for it, because the kernel
 * queues its ICMP errors for IPv4 sockets only. An address of all zeros becomes the loopback address that Linux dials for it (ip(7),
 * tcp_v6_connect). Then a connection to itself has equal addresses at both ends.
 */
export function layOutDialled(libc: Libc, ip: string, port: number, memory: Memory): void {
  layOutAddress(libc, ip, port, memory)
  const { bytes, words } = memory
  if (bytes[0] === AF_INET6 && words[2] === 0 && words[3] === 0 && words[4] === mappedWord) {
    words[1] = words[5] ?? 0
    words.fill(0, 2)
    bytes[0] = AF_INET
  }
  // No interface has this number. With 0 the error of connect(2) differs from that of a missing route.
  if (words[6] !== undefined && words[6] !== 0 && libc.ifIndexToName(words[6]) === null) words[6] = 0
  if (bytes[0] === AF_INET) {
    if (words[1] === 0) bytes.set([127, 0, 0, 1], 4)
  } else if (words[2] === 0 && words[3] === 0 && words[4] === 0 && words[5] === 0) bytes[23] = 1
}

/** Writes an IPv4 address, digit by digit, because every check takes this path and splitting the text costs more. */
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

/** Returns the IP and port of a `struct sockaddr` at offset `at`, in bytes; null when the family is neither IPv4 nor IPv6. */
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

/** Returns the IP of a `struct sockaddr`, with its interface where it has one: `fe80::1%eth0`. */
export function readZonedIp(libc: Libc, memory: Memory): string {
  const ip = readAddress(libc, memory)?.ip ?? ''
  const link = memory.words[6] ?? 0
  return link === 0 ? ip : `${ip}%${libc.ifIndexToName(link) ?? link}`
}

/** Copies an address, word by word, from position `at` of an array of numbers. */
export function copyWords(from: ArrayLike<number>, at: number, into: Uint32Array): void {
  for (let i = 0; i < addressWords; i++) into[i] = from[at + i] ?? 0
}
