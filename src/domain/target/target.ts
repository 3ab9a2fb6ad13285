import { isIP } from 'node:net'
import { quote } from '../values/quote.ts'

/** A target: `host:port` as configured, or as a look-up found it. `host` is a name or a literal IP without brackets. */
export type Target = {
  readonly name: string
  readonly host: string
  readonly port: number
  /** The literal address that is dialled, as in outcomes; null when the host is a name that has to be looked up. */
  readonly address: string | null
  /** The name of the configured target whose host was resolved to this address; null for a configured target. */
  readonly resolvedFrom: string | null
}

/** The plain data of a target, which can be sent to another thread. Host and port follow from the name. */
export type TargetParts = Pick<Target, 'name' | 'address' | 'resolvedFrom'>

/** A target that parses host and port from its name on every access. Otherwise 100,000 targets would store that text twice. */
abstract class NamedTarget {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  get host(): string {
    return hostOf(this.name)
  }

  get port(): number {
    return Number(this.name.slice(this.name.lastIndexOf(':') + 1))
  }
}

/** A target whose name is the literal address. Most targets are of this kind. */
class LiteralTarget extends NamedTarget implements Target {
  get address(): string {
    return this.name
  }

  get resolvedFrom(): null {
    return null
  }
}

class OtherTarget extends NamedTarget implements Target {
  readonly address: string | null
  readonly resolvedFrom: string | null

  constructor({ name, address, resolvedFrom }: TargetParts) {
    super(name)
    // A resolved target has its address as its name. Sharing one string saves memory.
    this.address = address === name ? name : address
    this.resolvedFrom = resolvedFrom
  }
}

/** A compact target: only the name where the name is the literal address. */
export type CompactTarget = string | Target

/** Returns the compact target of plain data. */
export function compactTarget(parts: TargetParts): CompactTarget {
  const { name, address, resolvedFrom } = parts
  return address === name && resolvedFrom === null ? name : Object.freeze(new OtherTarget(parts))
}

/** Returns the target of a compact target. */
export function targetOf(kept: CompactTarget): Target {
  return typeof kept === 'string' ? new LiteralTarget(kept) : kept
}

/** Builds a target from its plain data. */
export function makeTarget(parts: TargetParts): Target {
  return targetOf(compactTarget(parts))
}

/** Returns the target at a host and port. Its name is `host:port` unless another spelling is given. */
export function targetAt(host: string, port: number, name = formatAddress(host, port)): Target {
  return makeTarget({ name, address: literalAt(host, port), resolvedFrom: null })
}

function literalAt(host: string, port: number): string | null {
  return isIP(host) === 0 ? null : formatAddress(host, port)
}

/** Returns one literal IP of the host of a target as a target of its own. */
export function resolvedTarget(target: Target, ip: string): Target {
  const address = formatAddress(ip, target.port)
  return makeTarget({ name: address, address, resolvedFrom: target.name })
}

/** The remedy for a text that is not a target. */
export const targetRemedy = 'write host:port, such as db-1.internal:5432 or "[::1]:5432"'
const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i

/** Parses `host:port` (IPv6 in brackets, RFC 3986 §3.2.2). Returns a string that states the error and the remedy when the text is not a target. */
export function parseTarget(text: string): Target | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text)
  if (match === null) {
    if (isIP(text) === 6) return `${quote(text)} has no port, and IPv6 goes in brackets: write "[${text}]:5432"`
    const bare = /^(.*):(\d+)$/.exec(text)
    if (bare?.[1] !== undefined && isIP(bare[1]) === 6)
      return `${quote(text)}: IPv6 goes in brackets: write "[${bare[1]}]:${bare[2]}"`
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
      return `${quote(text)} is a URL, and a target is only host and port: ${targetRemedy}`
    return text.includes(':')
      ? `${quote(text)} is not a target: ${targetRemedy}`
      : `${quote(text)} has no port: ${targetRemedy}`
  }
  const [, bracketed, plain = '', portText = ''] = match
  const host = bracketed ?? plain
  if (host === '') return `${quote(text)} has no host: ${targetRemedy}`
  if (bracketed !== undefined && isIP(bracketed) !== 6)
    return `${quote(text)}: [${bracketed}] is not an IPv6 address: ${targetRemedy}`
  if (bracketed === undefined && !isHost(host))
    return `${quote(text)}: ${quote(host)} is neither a host name nor an IPv4 address: ${targetRemedy}`
  if (!/^\d{1,5}$/.test(portText))
    return `${quote(text)}: ${quote(portText)} is not a port: write a number from 1 to 65535`
  const port = Number(portText)
  if (port < 1 || port > 65_535) return `${quote(text)}: port ${port} is out of range: write a number from 1 to 65535`
  return targetAt(host, port, text)
}

/**
 * Returns whether a text is a host name (RFC 1123, and underscores because container names have them) or dotted IPv4.
 * Resolvers read a name whose last label is a number as IPv4 (WHATWG URL §3.5), so `0177.0.0.1` and `10.1` are rejected.
 */
function isHost(host: string): boolean {
  if (isIP(host) === 4) return true
  const labels = host.replace(/\.$/, '').split('.')
  const last = labels.at(-1) ?? ''
  return host.length <= 253 && labels.every((part) => label.test(part)) && !/^(\d+|0x[0-9a-f]*)$/i.test(last)
}

/** Returns the host of `host:port`, an IPv6 address without its brackets. */
export function hostOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'))
  return host.startsWith('[') ? host.slice(1, -1) : host
}

/** Writes a host and a port as text: `10.0.0.5:5432`, `[::1]:5432`. */
export function formatAddress(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** Returns a key that is the same for every spelling of a target. */
export function targetKey(target: Target): string {
  const host = target.host.toLowerCase().replace(/\.$/, '')
  const address = formatAddress(host, target.port)
  // The host of a URL has one spelling of IPv6 (WHATWG URL §3.5). An address with a zone makes no valid URL, so it stays as written.
  const url = URL.parse(`http://${address}`)
  return url === null ? address : `${url.hostname}:${target.port}`
}
