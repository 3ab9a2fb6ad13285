import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatAddress,
  parseTarget,
  resolvedTarget,
  type Target,
  targetKey,
} from '../../../src/domain/target/target.ts'
import { TargetText } from '../../../src/domain/target/target-schema.ts'
import { sampleTarget } from '../../support/samples.ts'

/** Returns all properties of a target as an object. */
function tell({ name, host, port, address, resolvedFrom }: Target) {
  return { name, host, port, address, resolvedFrom }
}

function read(text: string) {
  const target = parseTarget(text)
  return typeof target === 'string' ? target : tell(target)
}

const anyPort = fc.integer({ min: 1, max: 65_535 })
const letters = [...'abcdefghijklmnopqrstuvwxyz']
const anyLabel = fc
  .array(fc.constantFrom(...letters, ...'0123456789-_'), { maxLength: 61 })
  .map((middle) => `a${middle.join('')}z`)
const anyHostName = fc
  .array(anyLabel, { minLength: 1, maxLength: 6 })
  .map((labels) => labels.join('.'))
  .filter((name) => name.length <= 253)

test('any address that is written can be parsed again, IPv4 and IPv6', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), anyPort, (ip, port) => {
      const name = formatAddress(ip, port)
      assert.deepEqual(read(name), { name, host: ip, port, address: name, resolvedFrom: null })
    }),
  )
})

test('any host name with a port is parsed', () => {
  fc.assert(
    fc.property(anyHostName, anyPort, (host, port) => {
      const name = `${host}:${port}`
      assert.deepEqual(read(name), { name, host, port, address: null, resolvedFrom: null })
    }),
  )
})

test('the usual spellings of hosts are parsed', () => {
  const targets: readonly [text: string, host: string, port: number][] = [
    ['db-1.internal:5432', 'db-1.internal', 5432],
    ['localhost:1', 'localhost', 1],
    ['DB:65535', 'DB', 65_535],
    ['example.org.:443', 'example.org.', 443],
    ['my_container:80', 'my_container', 80],
    ['3com.example:80', '3com.example', 80],
    ['10.0.0.5:80', '10.0.0.5', 80],
    ['[::1]:5432', '::1', 5432],
    ['[fe80::1%eth0]:22', 'fe80::1%eth0', 22],
    ['[::ffff:10.0.0.5]:22', '::ffff:10.0.0.5', 22],
    ['xn--mnchen-3ya.de:80', 'xn--mnchen-3ya.de', 80],
  ]
  for (const [name, host, port] of targets) {
    const address = /^(10\.0\.0\.5|.*:.*)$/.test(host) ? name : null
    assert.deepEqual(read(name), { name, host, port, address, resolvedFrom: null })
  }
})

const bad: readonly [text: string, why: string][] = [
  ['', 'nothing'],
  ['db', 'no port'],
  ['db:', 'an empty port'],
  [':5432', 'no host'],
  ['[]:5432', 'empty brackets'],
  ['db:0', 'port 0'],
  ['db:65536', 'a port too large'],
  ['db:99999999', 'a port far too large'],
  ['db:-1', 'a negative port'],
  ['db:+80', 'a signed port'],
  ['db:80.0', 'a fraction of a port'],
  ['db:0x50', 'a hexadecimal port'],
  ['db:http', 'a port by name'],
  ['db: 80', 'a space before the port'],
  [' db:80', 'a space in front'],
  ['db:80 ', 'a space behind'],
  ['db:80\n', 'a line break behind'],
  ['d b:80', 'a space in the host'],
  ['db:80:90', 'two ports'],
  ['::1', 'IPv6 without brackets or port'],
  ['::1:5432', 'IPv6 without brackets'],
  ['[::1]', 'IPv6 without a port'],
  ['[::1]5432', 'no colon after the bracket'],
  ['[::1:5432', 'an open bracket'],
  ['::1]:5432', 'a closing bracket alone'],
  ['[db]:5432', 'a name in brackets'],
  ['[10.0.0.5]:80', 'IPv4 in brackets'],
  ['[[::1]]:80', 'brackets twice'],
  ['[1::2::3]:80', 'IPv6 with two gaps'],
  ['tcp://db:5432', 'a URL'],
  ['https://db', 'a URL without a port'],
  ['user@db:80', 'a user'],
  ['db/x:80', 'a path'],
  ['db..internal:80', 'an empty label'],
  ['.db:80', 'a dot in front'],
  ['db..:80', 'two dots behind'],
  ['-db:80', 'a hyphen in front'],
  ['db-:80', 'a hyphen behind'],
  [`${'a'.repeat(64)}:80`, 'a label too long'],
  [`${'a.'.repeat(127)}aa:80`, 'a name too long'],
  ['münchen.de:80', 'a name that is not ASCII'],
  ['db\0:80', 'a null character'],
  ['256.1.1.1:80', 'IPv4 out of range'],
  ['1.2.3:80', 'IPv4 with three parts'],
  ['1.2.3.4.5:80', 'IPv4 with five parts'],
  ['0177.0.0.1:80', 'octal IPv4'],
  ['0x7f.0.0.1:80', 'hexadecimal IPv4'],
  ['0x7f000001:80', 'IPv4 as one hexadecimal number'],
  ['2130706433:80', 'IPv4 as one number'],
  ['127.0.0.1.:80', 'IPv4 with a dot behind'],
]
for (const [text, why] of bad) {
  test(`rejects ${why}: ${JSON.stringify(text).slice(0, 60)}`, () => {
    const refusal = parseTarget(text)
    assert.equal(typeof refusal, 'string', JSON.stringify(refusal))
    assert.equal(TargetText.safeParse(text).success, false)
  })
}

test('any text is either a target with that name or is rejected with a sentence, without an exception', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'[]:.-_%a1/ ') })), (text) => {
      const parsed = parseTarget(text)
      if (typeof parsed === 'string') assert.ok(parsed.length > 10)
      else assert.equal(parsed.name, text)
    }),
    { numRuns: 2000 },
  )
})

test('a resolved address is a target with its address as its name', () => {
  const resolved = (ip: string) => tell(resolvedTarget(sampleTarget('db:5432'), ip))
  const common = { port: 5432, resolvedFrom: 'db:5432' }
  const four = '10.0.0.5:5432'
  const six = '[fd00::1]:5432'
  assert.deepEqual(resolved('10.0.0.5'), { ...common, name: four, host: '10.0.0.5', address: four })
  assert.deepEqual(resolved('fd00::1'), { ...common, name: six, host: 'fd00::1', address: six })
})

test('two spellings of one target have the same key', () => {
  const spellings: readonly [string, string][] = [
    ['DB-1.Internal:5432', 'db-1.internal:5432'],
    ['example.org.:80', 'example.org:80'],
    ['db:080', 'db:80'],
    ['[::1]:80', '[0:0:0:0:0:0:0:1]:80'],
    ['[FE80::A]:80', '[fe80:0::000a]:80'],
    ['[::ffff:10.0.0.5]:80', '[::ffff:a00:5]:80'],
    ['[fe80::1%eth0]:80', '[FE80::1%eth0]:80'],
  ]
  for (const [one, other] of spellings) assert.equal(targetKey(sampleTarget(one)), targetKey(sampleTarget(other)), one)
})

test('different targets have different keys', () => {
  const names = ['db:80', 'db:81', 'db-1:80', 'a.db:80', '10.0.0.1:80', '[::1]:80', '[::2]:80', '[fe80::1%eth0]:80']
  assert.equal(new Set([...names, '[fe80::1%eth1]:80'].map((name) => targetKey(sampleTarget(name)))).size, 9)
})
