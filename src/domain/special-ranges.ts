import { type Bits, rangeOf } from './ip-range.ts'

/** Addresses that are for something special: the name of the rule about them, what one is, and the ranges they lie in. One may be of several kinds. */
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
  // RFC 8215: where in it the IPv4 address stands is known to its translator alone.
  { rule: 'local NAT64', what: 'an address of a NAT64 of your own', ranges: ['64:ff9b:1::/48'] },
  // RFC 1122 §3.2.1.3, RFC 4291 §2.5.3
  { rule: 'loopback', what: 'a loopback address', ranges: ['127.0.0.0/8', '::1'] },
  // RFC 1918, RFC 6598, RFC 4193, RFC 3879
  {
    rule: 'private',
    what: 'a private address',
    ranges: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fec0::/10'],
  },
] as const

/** The name of the rule about a kind of special addresses. */
export type SpecialRule = (typeof kinds)[number]['rule']

/** Every special range, in the order in which they are named. */
export const specialRanges: readonly { readonly rule: SpecialRule; readonly bits: Bits }[] = kinds.flatMap(
  ({ rule, ranges }) => ranges.map((text) => ({ rule, bits: rangeOf(text).bits })),
)

/** What an address is that a rule is about; undefined when it is no rule about special addresses. */
export function kindOfAddress(rule: string): string | undefined {
  return kinds.find((kind) => kind.rule === rule)?.what
}
