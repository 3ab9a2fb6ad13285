import { type Bits, rangeOf } from './ip-range.ts'

/** The kinds of special addresses: the name of the rule about them, a phrase for one address, and their ranges. An address may be of several kinds. */
const kinds = [
  {
    rule: 'metadata',
    what: 'a cloud metadata address',
    ranges: [
      '169.254.169.254', // nearly every cloud
      'fd00:ec2::254', // Amazon EC2
      '169.254.170.2', // Amazon ECS
      '169.254.170.23', // Amazon EKS
      'fd00:ec2::23',
      'fd20:ce::254', // Google
      '168.63.129.16', // Azure
      '100.100.100.200', // Alibaba
      '192.0.0.192', // Oracle
      '169.254.42.42', // Scaleway
      'fd00:42::42',
    ],
  },
  // RFC 3927, RFC 4291 §2.5.6
  { rule: 'link-local', what: 'a link-local address', ranges: ['169.254.0.0/16', 'fe80::/10'] },
  // RFC 5771, RFC 4291 §2.7
  { rule: 'multicast', what: 'a multicast address', ranges: ['224.0.0.0/4', 'ff00::/8'] },
  // RFC 1122 §3.2.1.3, RFC 4291 §2.5.2. Linux dials itself when told to dial 0.0.0.0 or ::
  { rule: 'unspecified', what: "no host's address", ranges: ['0.0.0.0/8', '::'] },
  // RFC 919
  { rule: 'broadcast', what: 'the broadcast address', ranges: ['255.255.255.255'] },
  // RFC 1112 §4
  { rule: 'reserved', what: 'a reserved address', ranges: ['240.0.0.0/4'] },
  // RFC 8215. Only its translator knows the position of the IPv4 address in it.
  { rule: 'local NAT64', what: 'an address of a NAT64 of your own', ranges: ['64:ff9b:1::/48'] },
  // RFC 1122 §3.2.1.3, RFC 4291 §2.5.3
  { rule: 'loopback', what: 'a loopback address', ranges: ['127.0.0.0/8', '::1'] },
  // All other ranges that the IANA special-purpose address registries (RFC 6890, RFC 8190) do not call globally reachable, and site-local addresses.
  {
    rule: 'private',
    what: 'a private address, or one that the Internet does not reach',
    ranges: [
      '10.0.0.0/8', // RFC 1918
      '172.16.0.0/12',
      '192.168.0.0/16',
      '100.64.0.0/10', // carrier-grade NAT (RFC 6598)
      '192.0.0.0/24', // IETF protocol assignments: DS-Lite, the nearest PCP and TURN servers, NAT64 discovery (RFC 6890)
      '192.0.2.0/24', // documentation (RFC 5737), which networks use as if it were private
      '198.51.100.0/24',
      '203.0.113.0/24',
      '192.88.99.0/24', // 6to4 relays, deprecated (RFC 7526), and those of 6a44 (RFC 6751)
      '198.18.0.0/15', // benchmarks (RFC 2544), which VPNs and proxies use as if it were private
      'fc00::/7', // unique local (RFC 4193)
      'fec0::/10', // site-local, deprecated (RFC 3879)
      '100::/64', // discard-only (RFC 6666)
      '100:0:0:1::/64', // dummy prefix (RFC 9780)
      '2001::/23', // IETF protocol assignments (RFC 2928): benchmarks, ORCHID, the nearest PCP, TURN and SRP servers
      '2001:db8::/32', // documentation (RFC 3849)
      '3fff::/20', // documentation (RFC 9637)
      '5f00::/16', // segment identifiers of SRv6 (RFC 9602)
    ],
  },
] as const

/** Exceptions, by special range: parts of the range that are globally reachable, or that carry an IPv4 address, which then decides. */
const exceptions: Readonly<Partial<Record<string, readonly string[]>>> = {
  '2001::/23': [
    '2001::/32', // Teredo: ip-range.ts knows the IPv4 address inside
    '2001:3::/32', // AMT (RFC 7450)
    '2001:4:112::/48', // AS112 (RFC 7535)
    '2001:20::/28', // ORCHIDv2 (RFC 7343)
    '2001:30::/28', // DRIP (RFC 9374)
  ],
}

export type SpecialRule = (typeof kinds)[number]['rule']

/** A special range, and the parts of it that are not special. */
export type SpecialRange = { readonly rule: SpecialRule; readonly bits: Bits; readonly except: readonly Bits[] }

/** Every special range. The first one that contains an address gives the rule that denies it. */
export const specialRanges: readonly SpecialRange[] = kinds.flatMap(({ rule, ranges }) =>
  ranges.map((text) => ({
    rule,
    bits: rangeOf(text).bits,
    except: (exceptions[text] ?? []).map((one) => rangeOf(one).bits),
  })),
)

/** Returns a phrase for an address that a rule denies, such as `a loopback address`; undefined when the rule is not about special addresses. */
export function kindOfAddress(rule: string): string | undefined {
  return kinds.find((kind) => kind.rule === rule)?.what
}
