import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { createDialRules, whyDenied } from '../../../src/domain/target/dial-rules.ts'
import { DialSettings } from '../../../src/domain/target/dial-settings.ts'

const denial = (ip: string, settings: DialSettings = {}) => createDialRules(settings).denial(ip)

/** Addresses with the rule that denies them by default; null when they may be dialled. */
const builtIn: readonly [ip: string, rule: string | null][] = [
  ['203.0.113.7', null],
  ['2001:db8::7', null],
  ['8.8.8.8', null],
  ['10.0.0.7', null],
  ['172.31.255.255', null],
  ['192.168.0.1', null],
  ['100.64.0.1', null],
  ['fd00::7', null],
  ['fec0::7', null],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.255', 'loopback'],
  ['126.255.255.255', null],
  ['128.0.0.0', null],
  ['::1', 'loopback'],
  ['0:0:0:0:0:0:0:1', 'loopback'],
  ['::1%lo', 'loopback'],
  ['0.0.0.0', 'unspecified'],
  ['0.255.255.255', 'unspecified'],
  ['1.0.0.0', null],
  ['::', 'unspecified'],
  ['0:0::0', 'unspecified'],
  ['169.254.0.0', 'link-local'],
  ['169.254.255.255', 'link-local'],
  ['169.253.255.255', null],
  ['169.255.0.0', null],
  ['fe80::1', 'link-local'],
  ['FE80::1%eth0', 'link-local'],
  ['febf::1', 'link-local'],
  ['fe00::1', null],
  ['169.254.169.254', 'metadata'],
  ['fd00:ec2::254', 'metadata'],
  ['fd00:0ec2:0:0:0:0:0:0254', 'metadata'],
  ['fd00:ec2::255', null],
  ['fd20:ce::254', 'metadata'],
  ['100.100.100.200', 'metadata'],
  ['192.0.0.192', 'metadata'],
  ['168.63.129.16', 'metadata'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['223.255.255.255', null],
  ['ff02::1', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.254', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['64:ff9b:1::7f00:1', 'local NAT64'],
  // IPv6 addresses that carry an IPv4 address
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['::FFFF:7F00:0001', 'loopback'],
  ['0:0:0:0:0:ffff:127.0.0.1', 'loopback'],
  ['::ffff:127.0.0.1%lo', 'loopback'],
  ['::ffff:10.0.0.7', null],
  ['::ffff:0.0.0.0', 'unspecified'],
  ['::127.0.0.1', 'loopback'],
  ['::7f00:1', 'loopback'],
  ['::203.0.113.7', null],
  ['::2', 'unspecified'],
  ['::ffff:0:127.0.0.1', 'loopback'],
  ['64:ff9b::7f00:1', 'loopback'],
  ['64:ff9b::169.254.169.254', 'metadata'],
  ['64:ff9b::203.0.113.7', null],
  ['2002:7f00:1::', 'loopback'],
  ['2002:a9fe:a9fe::1', 'metadata'],
  ['2002:cb00:7107::1', null],
  ['2001:0:cb00:7101:0:0:80ff:fffe', 'loopback'],
  ['2001:db8::5efe:127.0.0.1', 'loopback'],
  ['2606:4700::200:5efe:a9fe:a9fe', 'metadata'],
  ['2606:4700::5efe:10.0.0.7', null],
  // Text that is not an address
  ['', 'not an IP address'],
  ['localhost', 'not an IP address'],
  ['127.1', 'not an IP address'],
  ['2130706433', 'not an IP address'],
  ['0x7f000001', 'not an IP address'],
]

test('by default special addresses are denied and all others are allowed, including private ones', () => {
  const { denial } = createDialRules({})
  for (const [ip, rule] of builtIn) assert.equal(denial(ip), rule, ip)
  for (const [ip, rule] of builtIn) assert.equal(denial(ip), rule, `${ip}, asked again`)
})

test('the setting `loopback` allows loopback addresses', () => {
  for (const ip of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1']) {
    assert.equal(denial(ip, { loopback: false }), 'loopback')
    assert.equal(denial(ip, { loopback: true }), null)
  }
  for (const ip of ['0.0.0.0', '::']) assert.equal(denial(ip, { loopback: true }), 'unspecified')
})

test('the setting `private` denies private addresses', () => {
  const addresses = ['10.0.0.7', '172.16.0.1', '192.168.1.1', '100.127.0.1', 'fc00::7', 'fd00::7', 'fec0::7']
  for (const ip of [...addresses, '::ffff:10.0.0.7', '2002:a00:7::']) {
    assert.equal(denial(ip, { private: false }), 'private')
    assert.equal(denial(ip, { private: true }), null)
  }
  for (const ip of ['172.15.0.1', '172.32.0.1', '100.128.0.1', '8.8.8.8', 'fe00::1']) {
    assert.equal(denial(ip, { private: false }), null)
  }
})

/**
 * The entries of the IANA IPv4 and IPv6 special-purpose address registries of 2025-10-09. The rule denies the first and the last address with
 * `private: false`. Null marks entries that are globally reachable, or for which the IPv4 address inside decides.
 */
const registries: readonly [range: string, rule: string | null][] = [
  ['0.0.0.0/8', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'private'],
  ['192.0.0.0/29', 'private'],
  ['192.0.0.8/32', 'private'],
  // Registered as globally reachable, but anycast reaches a host in the network of Porthole.
  ['192.0.0.9/32', 'private'],
  ['192.0.0.10/32', 'private'],
  ['192.0.0.170/31', 'private'],
  ['192.0.2.0/24', 'private'],
  ['192.31.196.0/24', null],
  ['192.52.193.0/24', null],
  ['192.88.99.0/24', 'private'],
  ['192.88.99.2/32', 'private'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', null],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'private'],
  ['203.0.113.0/24', 'private'],
  ['240.0.0.0/4', 'reserved'],
  ['255.255.255.255/32', 'broadcast'],
  ['::1/128', 'loopback'],
  ['::/128', 'unspecified'],
  ['64:ff9b::8.8.0.0/112', null],
  ['64:ff9b::10.0.0.0/104', 'private'],
  ['64:ff9b:1::/48', 'local NAT64'],
  ['100::/64', 'private'],
  ['100:0:0:1::/64', 'private'],
  ['2001:1ff:ffff::/48', 'private'],
  ['2001:0:808:808::f7f7:f7f7/128', null],
  ['2001:0:808:808::f5ff:fffe/128', 'private'],
  ['2001:1::1/128', 'private'],
  ['2001:1::2/128', 'private'],
  ['2001:1::3/128', 'private'],
  ['2001:2::/48', 'private'],
  ['2001:3::/32', null],
  ['2001:4:112::/48', null],
  ['2001:10::/28', 'private'],
  ['2001:20::/28', null],
  ['2001:30::/28', null],
  ['2001:db8::/32', 'private'],
  ['2002:808:808::/48', null],
  ['2002:c612:1::/48', 'private'],
  ['2620:4f:8000::/48', null],
  ['3fff::/20', 'private'],
  ['5f00::/16', 'private'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
]

test('with private: false the special addresses of the IANA registries are denied, except the globally reachable ones', () => {
  const { denial } = createDialRules({ private: false })
  for (const [range, rule] of registries) {
    const { width, value, length } = networkOf(range)
    const last = value | ((1n << BigInt(width - length)) - 1n)
    for (const ip of [value, last].map((one) => textOf(width, one))) {
      // The last address of 240.0.0.0/4 has a rule of its own.
      assert.equal(denial(ip), ip === '255.255.255.255' ? 'broadcast' : rule, `${ip} in ${range}`)
    }
  }
})

test('with private: false the neighbours of the special ranges are allowed', () => {
  const { denial } = createDialRules({ private: false })
  for (const ip of [
    '191.255.255.255',
    '192.0.1.0',
    '192.0.3.0',
    '192.88.98.255',
    '198.17.255.255',
    '198.20.0.0',
    '198.51.101.0',
  ])
    assert.equal(denial(ip), null, ip)
  for (const ip of [
    '100:0:0:2::',
    '2001:200::',
    '2001:db7:ffff::1',
    '2001:db9::',
    '3ffe::1',
    '3fff:1000::',
    '5eff::1',
    '5f01::',
  ])
    assert.equal(denial(ip), null, ip)
  // Denied only with private: false.
  for (const [range, rule] of registries.filter(([, rule]) => rule === 'private'))
    assert.equal(createDialRules({}).denial(range.replace(/\/.*/, '')), null, `${range} is ${rule}`)
})

test('an address that carries a special one is denied with private: false, and an allow list has to open both', () => {
  for (const ip of ['64:ff9b::198.51.100.7', '2002:c633:6407::', '::ffff:198.51.100.7', '2606:4700::5efe:198.51.100.7'])
    assert.equal(denial(ip, { private: false }), 'private', ip)
  assert.equal(denial('198.51.100.7', { private: false, allow: ['198.51.100.0/24'] }), null)
  assert.equal(denial('198.51.100.7', { private: false, allow: ['0.0.0.0/0'] }), 'private')
  assert.equal(denial('2001:2::1', { private: false, allow: ['2001:2::/48'] }), null)
  assert.equal(denial('2001:2::1', { private: false, allow: ['2001::/16'] }), 'private')
})

test('deny overrides everything, and the rule names the range', () => {
  const settings = {
    deny: ['10.0.0.0/8', '127.0.0.0/8', '2001:db8::7'],
    allow: ['10.0.0.7', '127.0.0.1'],
    loopback: true,
  }
  assert.equal(denial('10.0.0.7', settings), 'dial.deny 10.0.0.0/8')
  assert.equal(denial('::ffff:10.0.0.7', settings), 'dial.deny 10.0.0.0/8')
  assert.equal(denial('64:ff9b::a00:7', { deny: ['10.0.0.0/8'] }), 'dial.deny 10.0.0.0/8')
  assert.equal(denial('127.0.0.1', settings), 'dial.deny 127.0.0.0/8')
  assert.equal(denial('2001:0db8::0007', { deny: settings.deny }), 'dial.deny 2001:db8::7')
  assert.equal(denial('2001:db8::8', { deny: settings.deny }), null)
})

test('an allow list denies all other addresses, and an empty one denies everything', () => {
  assert.equal(denial('203.0.113.7', { allow: ['203.0.113.0/24'] }), null)
  assert.equal(denial('203.0.114.7', { allow: ['203.0.113.0/24'] }), 'not in dial.allow')
  assert.equal(denial('2001:db8::7', { allow: ['0.0.0.0/0'] }), 'not in dial.allow')
  assert.equal(denial('203.0.113.7', { allow: ['::/0'] }), 'not in dial.allow')
  assert.equal(denial('::ffff:203.0.113.7', { allow: ['::/0'] }), 'not in dial.allow')
  assert.equal(denial('203.0.113.7', { allow: [] }), 'not in dial.allow')
  assert.equal(denial('127.0.0.1', { allow: [], loopback: true }), 'not in dial.allow')
})

test('a range of the allow list opens a special address only if it lies within the special range', () => {
  const everything = ['0.0.0.0/0', '::/0']
  for (const [ip, range, wider] of [
    ['127.0.0.1', '127.0.0.0/8', '126.0.0.0/7'],
    ['::1', '::1', '::/127'],
    ['169.254.7.7', '169.254.7.7', '169.252.0.0/14'],
    ['fe80::7', 'fe80::/10', 'fe00::/8'],
    ['224.0.0.1', '224.0.0.0/4', '224.0.0.0/3'],
    ['0.0.0.0', '0.0.0.0/8', '0.0.0.0/7'],
    ['255.255.255.255', '255.255.255.255', '240.0.0.0/4'],
    ['64:ff9b:1::1', '64:ff9b:1::/48', '64:ff9b::/32'],
  ] as const) {
    assert.equal(denial(ip, { allow: [...everything, range] }), null, ip)
    assert.notEqual(denial(ip, { allow: [...everything, wider] }), null, ip)
  }
  assert.equal(denial('10.0.0.7', { allow: everything, private: false }), 'private')
  assert.equal(denial('10.0.0.7', { allow: ['10.0.0.0/8'], private: false }), null)
  assert.equal(denial('10.0.0.7', { allow: everything }), null)
})

test('the addresses of cloud metadata can only be opened one by one', () => {
  for (const [ip, around] of [
    ['169.254.169.254', '169.254.0.0/16'],
    ['100.100.100.200', '100.64.0.0/10'],
    ['fd00:ec2::254', 'fd00::/8'],
  ] as const) {
    assert.equal(denial(ip, { allow: [around] }), 'metadata')
    assert.equal(denial(ip, { allow: [ip] }), null)
    assert.equal(denial(ip, { allow: [around, ip] }), null)
  }
})

test('an address that carries another one is allowed only if both are', () => {
  assert.equal(denial('64:ff9b::cb00:7107', { allow: ['203.0.113.0/24'] }), 'not in dial.allow')
  assert.equal(denial('64:ff9b::cb00:7107', { allow: ['64:ff9b::/96'] }), 'not in dial.allow')
  assert.equal(denial('64:ff9b::cb00:7107', { allow: ['64:ff9b::/96', '203.0.113.0/24'] }), null)
  assert.equal(denial('64:ff9b::7f00:1', { allow: ['64:ff9b::/96', '0.0.0.0/0'] }), 'loopback')
})

test('decisions are the same after the cache was full', () => {
  const { denial } = createDialRules({})
  for (let i = 0; i < 140_000; i++) assert.equal(denial(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), null)
  assert.equal(denial('127.0.0.1'), 'loopback')
})

// A second implementation of the rules, with arithmetic on whole numbers, to compare with.

type Numbered = { readonly width: 32 | 128; readonly value: bigint }
type Network = Numbered & { readonly length: number }

function numberOf(ip: string): Numbered {
  if (isIP(ip) === 4) return { width: 32, value: ip.split('.').reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) }
  const [before = '', after = ''] = new URL(`http://[${ip}]`).hostname.slice(1, -1).split('::')
  const [front, back] = [before, after].map((part) => part.split(':').filter(Boolean))
  const missing = 8 - (front?.length ?? 0) - (back?.length ?? 0)
  const groups = [...(front ?? []), ...Array<string>(missing).fill('0'), ...(back ?? [])]
  const value = groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n)
  return value >> 32n === 0xffffn ? { width: 32, value: value & 0xffffffffn } : { width: 128, value }
}

function networkOf(text: string): Network {
  const [ip = '', length] = text.split('/')
  const numbered = numberOf(ip)
  return { ...numbered, length: length === undefined ? numbered.width : Number(length) }
}

const covers = (network: Network, { width, value }: Numbered) =>
  network.width === width && (network.value ^ value) >> BigInt(width - network.length) === 0n

const specials: readonly [rule: string, networks: readonly Network[]][] = (
  [
    [
      'metadata',
      '169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 100.100.100.200 192.0.0.192 168.63.129.16',
    ],
    ['metadata', 'fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42'],
    ['link-local', '169.254.0.0/16 fe80::/10'],
    ['multicast', '224.0.0.0/4 ff00::/8'],
    ['unspecified', '0.0.0.0/8 ::'],
    ['broadcast', '255.255.255.255'],
    ['reserved', '240.0.0.0/4'],
    ['local NAT64', '64:ff9b:1::/48'],
    ['loopback', '127.0.0.0/8 ::1'],
    ['private', '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10'],
    ['private', '192.0.0.0/24 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 192.88.99.0/24 198.18.0.0/15'],
    ['private', '100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16'],
  ] as const
).map(([rule, texts]) => [rule, texts.split(' ').map(networkOf)])

const reachable = '2001::/32 2001:3::/32 2001:4:112::/48 2001:20::/28 2001:30::/28'.split(' ').map(networkOf)

function carriedBy({ width, value }: Numbered): Numbered[] {
  if (width === 32 || value <= 1n) return []
  const low = value & 0xffffffffn
  const carried: bigint[] = []
  if (value >> 32n === 0n || value >> 32n === 0xffff_0000n || value >> 32n === 0x64_ff9bn << 64n) carried.push(low)
  if (value >> 112n === 0x2002n) carried.push((value >> 80n) & 0xffffffffn)
  if (value >> 96n === 0x2001_0000n) carried.push(low ^ 0xffffffffn)
  if (((value >> 32n) & 0xfdff_ffffn) === 0x5efen) carried.push(low)
  return carried.map((value) => ({ width: 32, value }))
}

function referenceDenial(address: Numbered, settings: DialSettings): string | null {
  const deny = settings.deny?.find((text) => covers(networkOf(text), address))
  if (deny !== undefined) return `dial.deny ${deny}`
  const allow = settings.allow?.map(networkOf).filter((network) => covers(network, address))
  if (settings.allow !== undefined && allow?.length === 0) return 'not in dial.allow'
  for (const [rule, networks] of specials) {
    if ((rule === 'loopback' && settings.loopback) || (rule === 'private' && settings.private !== false)) continue
    for (const network of networks) {
      const isOpened = allow?.some((wanted) => wanted.length >= network.length && covers(network, wanted))
      const isReachable = rule === 'private' && reachable.some((network) => covers(network, address))
      if (covers(network, address) && !isReachable && !isOpened) return rule
    }
  }
  for (const carried of carriedBy(address)) {
    const denial = referenceDenial(carried, settings)
    if (denial !== null) return denial
  }
  return null
}

/** Writes the address in full from its bits. */
function textOf(width: 32 | 128, value: bigint): string {
  const [size, base, separator] = width === 32 ? [8, 10, '.'] : [16, 16, ':']
  return Array.from({ length: width / size }, (_, i) => value >> BigInt(width - size * (i + 1)))
    .map((part) => (part & ((1n << BigInt(size)) - 1n)).toString(base))
    .join(separator)
}

/** Random addresses in the ranges that matter, near them, and anywhere. */
const anyNear = fc
  .tuple(
    fc.constantFrom(...specials.flatMap(([, networks]) => networks)),
    fc.bigInt(0n, 2n ** 128n - 1n),
    fc.integer({ min: -1, max: 1 }),
  )
  .map(([{ width, value, length }, noise, beside]) => {
    const step = 1n << BigInt(width - length)
    return textOf(width, BigInt.asUintN(width, value + BigInt(beside) * step + (noise % step)))
  })
const anyIPv4 = fc.oneof(
  fc.ipV4(),
  anyNear.filter((ip) => isIP(ip) === 4),
)
const anyCarrying = anyIPv4.chain((ip) => {
  const { value } = numberOf(ip)
  return fc.constantFrom(
    `::${ip}`,
    `::ffff:${ip}`,
    `::ffff:0:${ip}`,
    `64:ff9b::${ip}`,
    `64:ff9b:1::${ip}`,
    textOf(128, (0x2002n << 112n) | (value << 80n) | 7n),
    textOf(128, (0x2001_0000n << 96n) | (value ^ 0xffffffffn)),
    textOf(128, (0x2606n << 112n) | (0x5efen << 32n) | value),
    textOf(128, (0x2002n << 112n) | (value << 80n) | (0x0200_5efen << 32n) | (value ^ 1n)),
  )
})
const anyIp = fc.oneof(fc.ipV4(), fc.ipV6(), anyNear, anyCarrying)
const anyRange = fc.tuple(anyIp, fc.nat(128)).map(([ip, length]) => {
  // An IPv6 spelling is written in full, also for an IPv4-mapped address.
  const width = isIP(ip) === 4 ? 32 : 128
  const { value, width: own } = numberOf(ip)
  const full = own === width ? value : value | 0xffff_0000_0000n
  const kept = Math.min(length, width)
  return `${textOf(width, (full >> BigInt(width - kept)) << BigInt(width - kept))}/${kept}`
})
const isMappedRange = (range: string) => networkOf(range).width === 32 && range.includes(':')
const anyList = fc.option(
  fc.array(
    anyRange.filter((range) => !isMappedRange(range)),
    { maxLength: 4 },
  ),
  { nil: undefined },
)
const anySettings: fc.Arbitrary<DialSettings> = fc
  .record({ allow: anyList, deny: anyList, loopback: fc.boolean(), private: fc.boolean() })
  .map(({ allow, deny, ...rest }) => ({ ...rest, ...(allow && { allow }), ...(deny && { deny }) }))

/** The first address of each range with settings that open none of them, so that every run covers every rule. */
const firstOfEach = specials.map<[DialSettings, string[]]>(([, networks]) => [
  { loopback: false, private: false },
  networks.map(({ width, value }) => textOf(width, value)),
])

test('the rules agree with the second implementation for any address and any settings', () => {
  const seen = new Map<string | null, number>()
  fc.assert(
    fc.property(anySettings, fc.array(anyIp, { minLength: 1, maxLength: 20 }), (settings, ips) => {
      assert.ok(DialSettings.safeParse(settings).success, JSON.stringify(settings))
      const { denial } = createDialRules(settings)
      for (const ip of ips) {
        const expected = referenceDenial(numberOf(ip), settings)
        assert.equal(denial(ip), expected, ip)
        const rule = expected?.replace(/(?<=dial.deny).*/, '') ?? null
        seen.set(rule, (seen.get(rule) ?? 0) + 1)
      }
    }),
    { numRuns: 1000, examples: firstOfEach },
  )
  const rules = new Set([null, 'dial.deny', 'not in dial.allow', ...specials.map(([rule]) => rule)])
  assert.deepEqual(new Set(seen.keys()), rules, 'every rule was met')
})

const range = 'a range of addresses: write 10.0.0.0/8 or fd00::/8, or a single address'
const bad: readonly [settings: unknown, message: string][] = [
  ['all', '"all" is not a set of dial rules: write { deny: [10.0.0.0/8] }'],
  [{ alow: [] }, 'Unrecognized key: "alow"'],
  [{ allow: '10.0.0.0/8' }, '"10.0.0.0/8" is not a list of ranges: write [10.0.0.0/8], or [] for none'],
  [{ deny: null }, 'an empty value is not a list of ranges: write [10.0.0.0/8], or [] for none'],
  [{ allow: [10] }, `10 is not ${range}`],
  [{ deny: ['localhost'] }, `"localhost" is not ${range}`],
  [
    { allow: ['10.1.2.3/8'] },
    '"10.1.2.3/8" has bits set after the first 8: write 10.0.0.0/8 for the range, or 10.1.2.3 for the one address',
  ],
  [{ loopback: 'yes' }, '"yes" is neither true nor false: write true to let loopback addresses be dialled'],
  [{ private: 0 }, '0 is neither true nor false: write true to let private addresses be dialled'],
]

for (const [settings, message] of bad) {
  test(`rejects ${JSON.stringify(settings)} and states the remedy`, () => {
    const { error } = DialSettings.safeParse(settings)
    assert.deepEqual(
      error?.issues.map((issue) => issue.message),
      [message],
    )
  })
}

test('every rule has a sentence that says why it denies and how to allow the address', () => {
  const services = 'for services registered over HTTP'
  const list = 'list it in dial.allow, with all else that may be dialled'
  const about = (what: string, setting = '') => `it is ${what}, which may not be dialled ${services}: ${setting}${list}`
  for (const [rule, why] of [
    ['loopback', about('a loopback address', 'set dial.loopback: true, or ')],
    ['private', about('a private address, or one that the Internet does not reach', 'set dial.private: true, or ')],
    ['metadata', about('a cloud metadata address')],
    ['link-local', about('a link-local address')],
    ['not in dial.allow', `dial.allow does not list it, and nothing else may be dialled ${services}: add it there`],
    ['dial.deny 10.0.0.0/8', `dial.deny 10.0.0.0/8 forbids it ${services}: take that out, or write a smaller range`],
    ['not an IP address', 'it is not a literal IP address'],
  ] as const) {
    assert.equal(whyDenied(rule), why)
  }
  for (const [rule] of specials) assert.match(whyDenied(rule), /^it is .+: .*list it in dial\.allow/)
})
