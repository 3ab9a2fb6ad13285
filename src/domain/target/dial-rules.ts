import type { DialSettings } from './dial-settings.ts'
import { type Bits, bitsOf, carriedIPv4s, rangeOf } from './ip-range.ts'
import { kindOfAddress, type SpecialRule, specialRanges } from './special-ranges.ts'

/** The rules that say which literal addresses Porthole may dial. */
export type DialRules = {
  /** Returns the rule that denies an IP, by its name in outcomes; null when Porthole may dial the IP. */
  denial(ip: string): string | null
}

const notAllowed = 'not in dial.allow'
const notAnIp = 'not an IP address'
/** How many decisions are cached. The cache is then cleared, because computing a decision takes only a microsecond or two. */
const mostRemembered = 65_536

/**
 * Creates the dial rules. The first of these that applies decides about an address:
 *
 * 1. `deny` contains it: denied.
 * 2. There is an `allow` list that does not contain it: denied. An empty list allows nothing.
 * 3. A special range contains it: denied, unless `allow` has a range that lies wholly within the special range. So `0.0.0.0/0` opens no
 *    special range. `169.254.0.0/16` opens the link-local range, but not the addresses of cloud metadata, which have to be listed one by
 *    one. Loopback is special unless `loopback` is true. Private is special only if `private` is false.
 * 4. Otherwise allowed.
 *
 * An IPv4-mapped address counts as the IPv4 address. An address that carries an IPv4 address in another way is allowed only if both are
 * allowed. Text that is not an IP is denied.
 */
export function createDialRules({
  allow,
  deny = [],
  loopback = false,
  private: isPrivateOpen = true,
}: DialSettings): DialRules {
  const denied = deny.map(rangeOf)
  const allowed = allow?.map(rangeOf)
  const open: Partial<Record<SpecialRule, boolean>> = { loopback, private: isPrivateOpen }
  const closed = specialRanges.filter(({ rule }) => !open[rule])
  const known = new Map<string, string | null>()

  function denialOf(address: Bits): string | null {
    const isInRange = ({ bits }: { bits: Bits }) => address.startsWith(bits)
    const denying = denied.find(isInRange)
    if (denying !== undefined) return `dial.deny ${denying.text}`
    const allowing = allowed?.filter(isInRange)
    if (allowing?.length === 0) return notAllowed
    const isListed = (special: Bits) => allowing?.some(({ bits }) => bits.startsWith(special)) === true
    const isExcepted = (except: readonly Bits[]) => except.some((bits) => address.startsWith(bits))
    return closed.find((range) => isInRange(range) && !isExcepted(range.except) && !isListed(range.bits))?.rule ?? null
  }

  function judge(ip: string): string | null {
    const address = bitsOf(ip)
    if (address === null) return notAnIp
    const denials = [address, ...carriedIPv4s(address)].map(denialOf)
    return denials.find((denial) => denial !== null) ?? null
  }

  return {
    denial(ip) {
      const remembered = known.get(ip)
      if (remembered !== undefined) return remembered
      const denial = judge(ip)
      if (known.size >= mostRemembered) known.clear()
      known.set(ip, denial)
      return denial
    },
  }
}

/** Returns why a rule denies an address and how to allow it, as the end of a sentence about that address. */
export function whyDenied(rule: string): string {
  if (rule === notAllowed) {
    return 'dial.allow does not list it, and nothing else may be dialled for services registered over HTTP: add it there'
  }
  if (rule === notAnIp) return 'it is not a literal IP address'
  const kind = kindOfAddress(rule)
  if (kind === undefined)
    return `${rule} forbids it for services registered over HTTP: take that out, or write a smaller range`
  const setting = rule === 'loopback' || rule === 'private' ? `set dial.${rule}: true, or ` : ''
  return `it is ${kind}, which may not be dialled for services registered over HTTP: ${setting}list it in dial.allow, with all else that may be dialled`
}
