import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { bitsOf, carriedIPv4s, parseRange, rangeOf } from '../../../src/domain/target/ip-range.ts'

const anyIp = fc.oneof(fc.ipV4(), fc.ipV6())

/** Other spellings of an IPv6 address. */
function spellings(ip: string): string[] {
  const short = new URL(`http://[${ip}]`).hostname.slice(1, -1)
  const [before = '', after] = short.split('::')
  const front = before.split(':').filter(Boolean)
  const back = (after ?? '').split(':').filter(Boolean)
  const groups = [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back]
  const low = groups.slice(6).map((group) => Number.parseInt(group, 16))
  const dotted = low.flatMap((group) => [group >> 8, group & 255]).join('.')
  const padded = groups.map((group) => group.padStart(4, '0'))
  return [
    short,
    groups.join(':'),
    padded.join(':').toUpperCase(),
    [...groups.slice(0, 6), dotted].join(':'),
    `${short}%eth0`,
  ]
}

test('every spelling of an address has the same bits', () => {
  fc.assert(
    fc.property(fc.ipV6(), (ip) => {
      for (const spelling of spellings(ip)) {
        assert.equal(isIP(spelling), 6, spelling)
        assert.equal(bitsOf(spelling), bitsOf(ip), spelling)
      }
    }),
  )
})

test('an IPv4-mapped address has the bits of the IPv4 address', () => {
  fc.assert(fc.property(fc.ipV4(), (ip) => assert.equal(bitsOf(`::ffff:${ip}`), bitsOf(ip))))
})

test('text that is not an IP has no bits', () => {
  const texts = [
    '',
    'localhost',
    '127.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '127.0.0.1 ',
    '127.0.0.1%lo',
    '1.2.3.4.5',
  ]
  for (const text of [
    ...texts,
    ':::1',
    '::1%',
    '[::1]',
    '::ffff:127.1',
    '1:2:3:4:5:6:7',
    '1::2::3',
    '::12345',
    '::1/128',
  ]) {
    assert.equal(bitsOf(text), null, text)
  }
})

test('the test whether an address lies in a range agrees with BlockList of Node.js', () => {
  const family = (ip: string) => (isIP(ip) === 4 ? 'ipv4' : 'ipv6')
  fc.assert(
    fc.property(anyIp, fc.nat(128), fc.oneof(anyIp, fc.constant(null)), (base, length, other) => {
      const isIPv4 = isIP(base) === 4
      const bits = bitsOf(base) ?? ''
      fc.pre(isIPv4 === (bits[0] === '4'))
      const shortened = Math.min(length, isIPv4 ? 32 : 128)
      const address = other ?? base
      // BlockList treats an IPv4 address like the IPv4-mapped one, but here they differ.
      fc.pre(isIP(address) === isIP(base))
      const list = new BlockList()
      list.addSubnet(base, shortened, family(base))
      assert.equal(bitsOf(address)?.startsWith(bits.slice(0, 1 + shortened)), list.check(address, family(address)))
    }),
    { numRuns: 2000 },
  )
})

test('a range is parsed, and a single address is a range of one', () => {
  for (const [text, same] of [
    ['10.0.0.7', '10.0.0.7/32'],
    ['::1', '::1/128'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['FD00::/8', 'fd00:0:0:0:0:0:0:0/8'],
  ] as const) {
    assert.equal(rangeOf(text).bits, rangeOf(same).bits)
    assert.equal(rangeOf(text).text, text)
  }
  assert.equal(rangeOf('0.0.0.0/0').bits, '4')
  assert.equal(rangeOf('::/0').bits, '6')
  assert.equal(rangeOf('10.0.0.0/8').bits, '400001010')
})

const remedy = 'is not a range of addresses: write 10.0.0.0/8 or fd00::/8, or a single address'
const bad: readonly [text: string, message: string][] = [
  ...[
    '',
    'localhost',
    '10.0.0.0/',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '/8',
  ].map((text) => [text, `${JSON.stringify(text)} ${remedy}`] as [string, string]),
  ...['10/8', '10.0.0.0/255.0.0.0', '10.0.0.0-10.0.0.9', '10.0.0.0 / 8', '010.0.0.0/8', '[fd00::]/8', '*'].map(
    (text) => [text, `${JSON.stringify(text)} ${remedy}`] as [string, string],
  ),
  [
    '10.1.2.3/8',
    '"10.1.2.3/8" has bits set after the first 8: write 10.0.0.0/8 for the range, or 10.1.2.3 for the one address',
  ],
  [
    '0.0.0.1/0',
    '"0.0.0.1/0" has bits set after the first 0: write 0.0.0.0/0 for the range, or 0.0.0.1 for the one address',
  ],
  [
    'fd00::1/8',
    '"fd00::1/8" has bits set after the first 8: write fd00::/8 for the range, or fd00::1 for the one address',
  ],
  [
    '::ffff:10.0.0.0/95',
    '"::ffff:10.0.0.0/95" has bits set after the first 95: write ::fffe:0:0/95 for the range, or ::ffff:10.0.0.0 for the one address',
  ],
  ['fe80::%eth0/10', '"fe80::%eth0/10" has a zone, and ranges have none: write fe80::/10'],
  ['fe80::1%1', '"fe80::1%1" has a zone, and ranges have none: write fe80::1'],
]

for (const [text, message] of bad) {
  test(`rejects ${JSON.stringify(text)} as a range, and states the remedy`, () => {
    assert.equal(parseRange(text), message)
    assert.throws(() => rangeOf(text), new Error(message))
  })
}

test('finds the IPv4 addresses that an IPv6 address carries', () => {
  const carrying: readonly [ip: string, carried: string | null, second?: string][] = [
    ['::127.0.0.1', '127.0.0.1'],
    ['::ffff:0:7f00:1', '127.0.0.1'],
    ['64:ff9b::a9fe:a9fe', '169.254.169.254'],
    ['2002:7f00:1::5', '127.0.0.1'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', '192.0.2.45'], // the example of RFC 4380 §4
    ['fe80::5efe:192.0.2.143', '192.0.2.143'], // from RFC 5214 §6.1
    ['2001:db8:1:2:200:5efe:7f00:1', '127.0.0.1'],
    ['2001:db8:1:2:0:5efe:7f00:1', '127.0.0.1'],
    ['2002:a00:1::5efe:127.0.0.1', '10.0.0.1', '127.0.0.1'],
    ['2001:db8:1:2:100:5efe:7f00:1', null],
    ['2001:db8:1:2:0:5eff:7f00:1', null],
    ['2001:db8:5efe:7f00:1::', null],
    ['::', null],
    ['::1', null],
    ['::2', '0.0.0.2'],
    ['::1:0:0', null],
    ['64:ff9b:1::7f00:1', null],
    ['64:ff9b:0:0:1::', null],
    ['2001:db8::7f00:1', null],
    ['fd00::127.0.0.1', null],
    ['127.0.0.1', null],
    ['::ffff:127.0.0.1', null],
  ]
  for (const [ip, ...carried] of carrying) {
    const expected = carried.flatMap((one) => (typeof one === 'string' ? [bitsOf(one)] : []))
    assert.deepEqual(carriedIPv4s(bitsOf(ip) ?? ''), expected, ip)
  }
})
