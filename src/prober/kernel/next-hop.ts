import { isLinkLocal } from '../../domain/target/zone.ts'
import type { Libc, Memory } from './libc.ts'
import { type Attribute, createNetlink, type Reply } from './netlink.ts'
import type { SlottedDial } from './records.ts'
import { AF_INET, AF_INET6, allocateAddress, copyWords, familyOf } from './sockaddr.ts'

// rtnetlink.h
const RTM_NEWROUTE = 24
const RTM_GETROUTE = 26
const RTM_NEWNEIGH = 28
const RTM_GETNEIGH = 30
const RTN_UNICAST = 1
const RTA_DST = 1
const RTA_SRC = 2
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_VIA = 18
const RTA_IP_PROTO = 27
const RTA_SPORT = 28
const RTA_DPORT = 29
const IPPROTO_TCP = 6
/** The length of `struct rtmsg`: u8 family, destination bits, source bits, tos, table, protocol, scope, type; u32 flags. */
const routeLength = 12
// neighbour.h
const NDA_DST = 1
const NUD_INCOMPLETE = 0x01
const NUD_FAILED = 0x20
/** The length of `struct ndmsg`: u8 family, three bytes of padding, i32 interface, u16 state, u8 flags, u8 type. */
const neighbourLength = 12

/** The next hop of a dial: the first machine that receives its packets. */
export type NextHop = {
  /** The address of the gateway, a link-local one with its interface (`fe80::1%eth0`); null where the next hop is the dialled host. */
  readonly gateway: string | null
  /** Whether the next hop does not answer ARP or neighbour discovery. False also when the kernel does not report it. */
  readonly isSilent: boolean
}

/** Code that finds next hops. Every search queries the kernel, so that a changed route takes effect at once. */
export type NextHops = {
  /** Returns the next hop of a socket that dials; null when the route cannot be read. */
  find(fd: number, dial: Pick<SlottedDial, 'batch' | 'at'>): NextHop | null
  close(): void
}

/** An address in network order, and the number of the interface that leads to it. */
type Hop = { readonly family: number; readonly address: Buffer; readonly link: number }

/** Creates the code that finds next hops. `mark` marks its descriptor as open or closed, as in the dial loop. */
export function createNextHops(libc: Libc, mark: (fd: number, open: boolean) => void): NextHops {
  const netlink = createNetlink(libc, mark)
  const peer = allocateAddress(libc)
  const local = allocateAddress(libc)
  const length = libc.allocate(4)
  const text = libc.allocate(16)

  /**
   * Queries the route with everything that decides the route of the packets of the socket. So rules for a source or a port, and the choice
   * between several gateways, give the same result. (The kernel adds the user itself.)
   */
  function askForRoute(fd: number): Reply | null {
    const family = familyOf(peer.words[0] ?? 0)
    length.words[0] = local.bytes.length
    const hasLocal = libc.getsockname(fd, local.address, length.address) === 0
    const [destination, source] = [ipOf(peer), ipOf(local)]
    const isBound = hasLocal && source.some((byte) => byte !== 0)
    const attributes: Attribute[] = [
      [RTA_DST, destination],
      [RTA_IP_PROTO, Uint8Array.of(IPPROTO_TCP)],
      [RTA_DPORT, peer.bytes.subarray(2, 4)],
    ]
    if (isBound) attributes.push([RTA_SRC, source], [RTA_SPORT, local.bytes.subarray(2, 4)])
    // The seventh word is the interface of a link-local address, and zero for IPv4.
    if (peer.words[6] !== 0) attributes.push([RTA_OIF, peer.bytes.subarray(24, 28)])
    const fixed = Buffer.alloc(routeLength)
    fixed.set([family, destination.length * 8, isBound ? source.length * 8 : 0])
    return netlink.ask(RTM_GETROUTE, RTM_NEWROUTE, fixed, attributes)
  }

  /** Returns whether the kernel waits, or waited in vain, for the link address of a hop. */
  function isSilent({ family, address, link }: Hop): boolean {
    const fixed = Buffer.alloc(neighbourLength)
    fixed[0] = family
    fixed.writeInt32LE(link, 4)
    const reply = netlink.ask(RTM_GETNEIGH, RTM_NEWNEIGH, fixed, [[NDA_DST, address]])
    const state = reply?.fixed.readUInt16LE(8) ?? 0
    return (state & (NUD_INCOMPLETE | NUD_FAILED)) !== 0
  }

  function nameHop({ family, address, link }: Hop): string {
    text.bytes.set(address)
    const ip = libc.inetNtop(family, text.address)
    return isLinkLocal(ip) ? `${ip}%${libc.ifIndexToName(link) ?? link}` : ip
  }

  return {
    find(fd, { batch, at }) {
      copyWords(batch, at, peer.words)
      const route = askForRoute(fd)
      if (route === null || route.fixed[7] !== RTN_UNICAST) return null
      const gateway = gatewayOf(route)
      const host: Hop = { family: familyOf(peer.words[0] ?? 0), address: ipOf(peer), link: linkOf(route) }
      return { gateway: gateway && nameHop(gateway), isSilent: isSilent(gateway ?? host) }
    },
    close: netlink.close,
  }
}

/** Returns the gateway of a route; null when there is none. An IPv4 route through an IPv6 gateway (RFC 5549) has the family before the address. */
function gatewayOf(route: Reply): Hop | null {
  const link = linkOf(route)
  const address = route.attributes.get(RTA_GATEWAY)
  if (address !== undefined) return { family: address.length === 4 ? AF_INET : AF_INET6, address, link }
  const via = route.attributes.get(RTA_VIA)
  return via === undefined ? null : { family: via.readUInt16LE(0), address: via.subarray(2), link }
}

function linkOf(route: Reply): number {
  return route.attributes.get(RTA_OIF)?.readInt32LE(0) ?? 0
}

function ipOf({ bytes, words }: Memory): Buffer {
  return familyOf(words[0] ?? 0) === AF_INET ? bytes.subarray(4, 8) : bytes.subarray(8, 24)
}
