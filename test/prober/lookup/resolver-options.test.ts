import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildResolverOptions, countLookUpThreads } from '../../../src/prober/lookup/resolver-options.ts'

const short = 'timeout:1 attempts:5'

for (const [what, resolvConf, options, expected] of [
  ['without settings there are more and shorter tries', 'nameserver 10.0.0.2\n', undefined, short],
  ['without a resolv.conf it is the same', '', undefined, short],
  ['an empty RES_OPTIONS sets nothing', '', '', short],
  ['other options are kept', 'options ndots:5\n', 'edns0', `edns0 ${short}`],
  [
    'a timeout in resolv.conf is not overridden',
    'nameserver 10.0.0.2\noptions ndots:5 timeout:3\n',
    undefined,
    undefined,
  ],
  ['attempts in resolv.conf are not overridden', 'options attempts:3\noptions edns0\n', 'edns0', 'edns0'],
  ['a timeout in RES_OPTIONS is not overridden', '', 'timeout:4', 'timeout:4'],
  ['attempts in RES_OPTIONS are not overridden', '', 'rotate attempts:1', 'rotate attempts:1'],
  ['a comment sets nothing', '# options timeout:3\n;options attempts:3\n', undefined, short],
  ['a longer word with the same end sets nothing', 'search my-timeout:3\noptions no-timeout:3\n', undefined, short],
] as const) {
  test(`look-up options: ${what}`, () => {
    assert.equal(buildResolverOptions(resolvConf, options), expected)
  })
}

test('look-ups have half of the threads of libuv, rounded up, less one for Redis', () => {
  for (const [poolSize, threads] of [
    [undefined, 2],
    ['64', 31],
    ['7', 3],
    ['6', 3],
    ['5', 3],
    ['1', 1],
    ['0', 1],
    ['none', 1],
    ['9999', 511],
  ] as const) {
    assert.equal(countLookUpThreads(poolSize), threads, `${poolSize}`)
  }
})
