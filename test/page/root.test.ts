import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { originOf, rootOf } from '../../src/page/root.ts'

const asked = (url: string, headers: Record<string, string> = {}) => ({ url, headers }) as unknown as IncomingMessage
/** Returns the root that links of a page lead from. `url` is the URL in the browser, `path` the path that Porthole gets. */
const seenAt = (url: string, path: string) => new URL(rootOf(asked(path)), url).href

/** Valid prefixes, each with the root that it leads to. */
const prefixes = [
  ['/porthole', '/porthole/'],
  ['/porthole/', '/porthole/'],
  ['/tools/port-hole/v1.2_x~y', '/tools/port-hole/v1.2_x~y/'],
  ['/.well-known/...', '/.well-known/.../'],
] as const

/** Prefixes that Porthole must ignore, because they could lead to another host or be interpreted as something else. */
const unbelieved = [
  '',
  '/',
  'porthole',
  '//evil.example',
  '//evil.example/',
  '/a//evil.example',
  '/\\evil.example',
  'https://evil.example',
  'https://evil.example/porthole',
  'javascript:alert(1)',
  'data:text/html,x',
  '/a"b',
  "/a'b",
  '/a<b>',
  '/a b',
  '/a?b',
  '/a#b',
  '/a%2f..',
  '/a:b',
  '/a@evil.example',
  '/$x',
  '/ü',
  // Browsers resolve dot segments, and remove the segment before them.
  '/..',
  '/../',
  '/.',
  '/a/..',
  '/a/../..',
  '/a/../b',
  '/./a',
]

test('links lead up from the page to the root of Porthole, under any path of a proxy', () => {
  for (const [path, root] of [
    ['/', './'],
    ['/?q=pg', './'],
    ['/?q=/a/b/../c', './'],
    ['/services/x', '../'],
    ['/services/x?a=/b/c', '../'],
    ['/services/x/', '../../'],
    ['/services/a%2Fb', '../'],
    ['/services/a%2Fb/', '../../'],
  ] as const) {
    assert.equal(rootOf(asked(path)), root, path)
    for (const proxy of ['', '/porthole', '/a/b'])
      assert.equal(seenAt(`https://status.example${proxy}${path}`, path), `https://status.example${proxy}/`, path)
  }
})

test('the prefix that a proxy removes is put before every path', () => {
  for (const [prefix, root] of prefixes)
    for (const path of ['/', '/services/x', '/services/x/?q=1'])
      assert.equal(rootOf(asked(path, { 'x-forwarded-prefix': prefix })), root, prefix)
})

test('a prefix that is not a plain path is ignored', () => {
  for (const prefix of unbelieved) {
    assert.equal(rootOf(asked('/services/x', { 'x-forwarded-prefix': prefix })), '../', prefix)
    assert.equal(originOf(asked('/', { host: 'porthole', 'x-forwarded-prefix': prefix })), 'http://porthole/', prefix)
  }
})

test('two prefixes are ignored, and links lead up from the page', () => {
  assert.equal(rootOf(asked('/services/x', { 'x-forwarded-prefix': '/a, /b' })), '../')
})

test('a long prefix is rejected quickly, whatever characters it has', () => {
  for (const prefix of [`/${'a'.repeat(8000)}!`, `${'/a'.repeat(4000)}//`, `${'/.'.repeat(4000)}`])
    assert.equal(rootOf(asked('/', { 'x-forwarded-prefix': prefix })), './')
})

test('the origin is the one of the request, or the one that the proxy names', () => {
  for (const [headers, origin] of [
    [{ host: 'localhost:8080' }, 'http://localhost:8080/'],
    [{ host: '[::1]:8080' }, 'http://[::1]:8080/'],
    [{ host: '10.0.0.1' }, 'http://10.0.0.1/'],
    [{ host: 'inner:8080', 'x-forwarded-proto': 'https' }, 'https://inner:8080/'],
    [{ host: 'inner:8080', 'x-forwarded-host': 'status.example' }, 'http://status.example/'],
    [
      {
        host: 'inner:8080',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'status.example',
        'x-forwarded-prefix': '/porthole',
      },
      'https://status.example/porthole/',
    ],
    // Each proxy appends its value, so the first is that of the browser.
    [
      { host: 'inner', 'x-forwarded-proto': 'https, http', 'x-forwarded-host': 'status.example:8443, mid' },
      'https://status.example:8443/',
    ],
    [{ host: 'inner', 'x-forwarded-proto': 'javascript' }, 'http://inner/'],
    [{}, 'http://localhost:8080/'],
  ] as const) {
    assert.equal(originOf(asked('/', headers)), origin, JSON.stringify(headers))
  }
})

test('a host with characters that are special in a shell or a URL is ignored', () => {
  for (const host of [
    '',
    ' ',
    "x'; id; '",
    '$(id)',
    '`id`',
    'x"y',
    'user@evil.example',
    'evil.example/path',
    'evil.example?x',
    'evil.example#x',
    'evil.example\\x',
    '<b>',
    'ü.example',
    '[::1',
    '[zz]',
    // Texts that look like hosts but are not valid.
    'localhost:99999',
    '1.2.3.999',
    '[:::]',
  ]) {
    assert.equal(originOf(asked('/', { host: 'inner:1', 'x-forwarded-host': host })), 'http://inner:1/', host)
    assert.equal(originOf(asked('/', { host })), 'http://localhost:8080/', host)
  }
})
