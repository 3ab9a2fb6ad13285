import { isIP } from 'node:net'
import { quote } from './quote.ts'

/**
 * The digit 4 or 6, then the bits of an IP of that version, as text. Of a range they are the bits that its addresses have in
 * common: an address lies in it, and a smaller range within it, if its bits begin with those.
 */
export type Bits = string

/** A range of addresses, and as it was written. */
export type IpRange = { readonly text: string; readonly bits: Bits }

/** The bits of an IP; null when the text is none. A zone (`fe80::1%eth0`) says where an address is, not which. */
export function bitsOf(ip: string): Bits | null {
  const bits = writtenBits(ip)
  return bits && asDialled(bits)
}

/**
 * Returns the IPv4 addresses that an IPv6 address stands for, to some translator or tunnel on the way: what is sent to the one
 * arrives at the other. One address can stand for two: 6to4 by its prefix, ISATAP by its interface identifier.
 */
export function carriedIPv4s(bits: Bits): readonly Bits[] {
  // These two are not IPv4-compatible, but addresses of their own (RFC 4291 §2.5.2, §2.5.3).
  if (bits.startsWith('4') || bits === unspecified || bits === loopback) return []
  const carrier = carriers.find(({ prefix }) => bits.startsWith(prefix))
  const isIsatap = isatapIdentifiers.some((identifier) => bits.startsWith(identifier, 1 + 64))
  const places = [...(carrier === undefined ? [] : [carrier]), ...(isIsatap ? [isatap] : [])]
  return places.map(({ at, inverted }) => {
    const carried = bits.slice(1 + at, 1 + at + 32)
    return `4${inverted ? carried.replace(/./g, (bit) => (bit === '0' ? '1' : '0')) : carried}`
  })
}

/** Reads `10.0.0.0/8`, `fd00::/8`, or one address; a string says what is wrong and what would be right. */
export function parseRange(text: string): IpRange | string {
  const [, ip = '', length] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const bits = writtenBits(ip)
  const count = Number(length ?? 128)
  if (bits === null || (length !== undefined && count > bits.length - 1)) return `${quote(text)} is not ${aRange}`
  if (ip.includes('%')) return `${quote(text)} has a zone, and ranges have none: write ${text.replace(/%[^/]*/, '')}`
  const common = bits.slice(0, 1 + count)
  if (bits.includes('1', common.length)) {
    const network = `${formatBits(common)}/${count}`
    return `${quote(text)} has bits set after the first ${count}: write ${network} for the range, or ${ip} for the one address`
  }
  return { text, bits: asDialled(common) }
}

export const aRange = 'a range of addresses: write 10.0.0.0/8 or fd00::/8, or a single address'

/** A range that is known to be right. */
export function rangeOf(text: string): IpRange {
  const range = parseRange(text)
  if (typeof range === 'string') throw new Error(range)
  return range
}

/** Systems dial an IPv4-mapped address (RFC 4291 §2.5.5.2) by way of IPv4: it is the same address in another spelling. */
function asDialled(bits: Bits): Bits {
  return bits.startsWith(mapped) ? `4${bits.slice(mapped.length)}` : bits
}

function writtenBits(ip: string): Bits | null {
  switch (isIP(ip)) {
    case 4:
      return `4${ipv4Bits(ip)}`
    case 6:
      return `6${ipv6Bits(ip.replace(/%.*/, ''))}`
    default:
      return null
  }
}

function ipv4Bits(ip: string): string {
  return ip
    .split('.')
    .map((byte) => binary(Number(byte), 8))
    .join('')
}

/** RFC 4291 §2.2: eight groups in hexadecimal, the last two perhaps as IPv4, and `::` for as many zeros as are missing. */
function ipv6Bits(ip: string): string {
  const [before = '', after = ''] = ip.split('::')
  const front = groupBits(before)
  return front + groupBits(after).padStart(128 - front.length, '0')
}

function groupBits(groups: string): string {
  if (groups === '') return ''
  return groups
    .split(':')
    .map((group) => (group.includes('.') ? ipv4Bits(group) : binary(Number.parseInt(group, 16), 16)))
    .join('')
}

function binary(number: number, width: number): string {
  return number.toString(2).padStart(width, '0')
}

/** The first address of a range. */
function formatBits(common: Bits): string {
  const isIPv4 = common.startsWith('4')
  const width = isIPv4 ? 8 : 16
  const parts = common
    .slice(1)
    .padEnd(isIPv4 ? 32 : 128, '0')
    .match(new RegExp(`.{${width}}`, 'g'))
  const numbers = (parts ?? []).map((part) => Number.parseInt(part, 2))
  // A URL's host spells IPv6 the short way (WHATWG URL §3.5).
  return isIPv4
    ? numbers.join('.')
    : new URL(`http://[${numbers.map((n) => n.toString(16)).join(':')}]`).hostname.slice(1, -1)
}

const mapped = `6${'0'.repeat(80)}${'1'.repeat(16)}`
const unspecified = `6${'0'.repeat(128)}`
const loopback = `6${'0'.repeat(127)}1`

type Place = { readonly at: number; readonly inverted?: boolean }

/** ISATAP's interface identifiers begin like this under any prefix, by whether the IPv4 address is known to be unique (RFC 5214 §6.1). */
const isatapIdentifiers = [binary(0x00_00_5e_fe, 32), binary(0x02_00_5e_fe, 32)]
const isatap: Place = { at: 96 }

/** Where the bits of the IPv4 address begin in what carries one. */
const carriers: readonly (Place & { readonly prefix: Bits })[] = [
  { prefix: rangeOf('::/96').bits, at: 96 }, // IPv4-compatible (RFC 4291 §2.5.5.1)
  { prefix: rangeOf('::ffff:0:0:0/96').bits, at: 96 }, // IPv4-translated (RFC 2765 §2.1)
  { prefix: rangeOf('64:ff9b::/96').bits, at: 96 }, // NAT64 (RFC 6052 §2.1)
  { prefix: rangeOf('2002::/16').bits, at: 16 }, // 6to4 (RFC 3056 §2)
  { prefix: rangeOf('2001::/32').bits, at: 96, inverted: true }, // Teredo (RFC 4380 §4)
]
