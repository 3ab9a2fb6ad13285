import { isIP } from 'node:net'
import { quote } from '../values/quote.ts'

/**
 * The digit 4 or 6, followed by the bits of an IP of that version, as text. A range has the bits that its addresses have in common.
 * An address or a smaller range lies in a range if its bits begin with those of the range.
 */
export type Bits = string

/** A range of addresses, with the text it was written as. */
export type IpRange = { readonly text: string; readonly bits: Bits }

/** Returns the bits of an IP; null when the text is not an IP. A zone (`fe80::1%eth0`) is ignored, because it is not part of the address. */
export function bitsOf(ip: string): Bits | null {
  const bits = writtenBits(ip)
  return bits && asDialled(bits)
}

/**
 * Returns the IPv4 addresses that an IPv6 address carries. A translator or tunnel on the way delivers packets for the IPv6 address to the
 * IPv4 address. One address can carry two: 6to4 in its prefix and ISATAP in its interface identifier.
 */
export function carriedIPv4s(bits: Bits): readonly Bits[] {
  // `::` and `::1` lie in the IPv4-compatible range, but carry no IPv4 address (RFC 4291 §2.5.2, §2.5.3).
  if (bits.startsWith('4') || bits === unspecified || bits === loopback) return []
  const carrier = carriers.find(({ prefix }) => bits.startsWith(prefix))
  const isIsatap = isatapIdentifiers.some((identifier) => bits.startsWith(identifier, 1 + 64))
  const places = [...(carrier === undefined ? [] : [carrier]), ...(isIsatap ? [isatap] : [])]
  return places.map(({ at, inverted }) => {
    const carried = bits.slice(1 + at, 1 + at + 32)
    return `4${inverted ? carried.replace(/./g, (bit) => (bit === '0' ? '1' : '0')) : carried}`
  })
}

/** Parses `10.0.0.0/8`, `fd00::/8`, or a single address. Returns a string that states the error and the remedy when the text is not a range. */
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

/** Parses a range that is known to be valid. Throws when it is not. */
export function rangeOf(text: string): IpRange {
  const range = parseRange(text)
  if (typeof range === 'string') throw new Error(range)
  return range
}

/** Turns an IPv4-mapped address (RFC 4291 §2.5.5.2) into the IPv4 address, because systems dial it over IPv4. */
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

/** Returns 128 bits (RFC 4291 §2.2): eight hexadecimal groups, where the last two may be IPv4 and `::` stands for the missing zeros. */
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

/** Writes the first address of a range. */
function formatBits(common: Bits): string {
  const isIPv4 = common.startsWith('4')
  const width = isIPv4 ? 8 : 16
  const parts = common
    .slice(1)
    .padEnd(isIPv4 ? 32 : 128, '0')
    .match(new RegExp(`.{${width}}`, 'g'))
  const numbers = (parts ?? []).map((part) => Number.parseInt(part, 2))
  // The host of a URL has the short form of IPv6 (WHATWG URL §3.5).
  return isIPv4
    ? numbers.join('.')
    : new URL(`http://[${numbers.map((n) => n.toString(16)).join(':')}]`).hostname.slice(1, -1)
}

const mapped = `6${'0'.repeat(80)}${'1'.repeat(16)}`
const unspecified = `6${'0'.repeat(128)}`
const loopback = `6${'0'.repeat(127)}1`

type Place = { readonly at: number; readonly inverted?: boolean }

/** The two beginnings of an ISATAP interface identifier: for an IPv4 address that may not be unique, and for a unique one (RFC 5214 §6.1). */
const isatapIdentifiers = [binary(0x00_00_5e_fe, 32), binary(0x02_00_5e_fe, 32)]
const isatap: Place = { at: 96 }

/** The prefixes that carry an IPv4 address, and the bit at which that address begins. */
const carriers: readonly (Place & { readonly prefix: Bits })[] = [
  { prefix: rangeOf('::/96').bits, at: 96 }, // IPv4-compatible (RFC 4291 §2.5.5.1)
  { prefix: rangeOf('::ffff:0:0:0/96').bits, at: 96 }, // IPv4-translated (RFC 2765 §2.1)
  { prefix: rangeOf('64:ff9b::/96').bits, at: 96 }, // NAT64 (RFC 6052 §2.1)
  { prefix: rangeOf('2002::/16').bits, at: 16 }, // 6to4 (RFC 3056 §2)
  { prefix: rangeOf('2001::/32').bits, at: 96, inverted: true }, // Teredo (RFC 4380 §4)
]
