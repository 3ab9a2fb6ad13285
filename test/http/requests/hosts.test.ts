import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { build, listen } from '../../support/app.ts'
import { sampleService } from '../../support/samples.ts'
import { say } from '../say.ts'

const request = (target: string, headers: string, method = 'GET', version = '1.1') =>
  `${method} ${target} HTTP/${version}\r\n${headers}Connection: close\r\n\r\n`

/** Builds Porthole with a service that is up, so that the fast path answers for it. */
async function start(t: TestContext, hosts: readonly string[] | null = null): Promise<string> {
  const { target } = await listen(t)
  const built = await build(t, [sampleService('pg', [target])], { hosts })
  await built.sweep()
  return built.listen()
}

/** Paths: the fast path, its route, a probe, two routes that name no service, and an unknown path. */
const paths = ['/health/pg', '/health/pg?x', '/livez', '/v1/services', '/', '/nowhere']

test('a request with several Host headers, equal or not, is 400 on every path and in HTTP/1.0', async (t) => {
  const url = await start(t)
  for (const path of paths) {
    for (const headers of ['Host: a\r\nHost: b\r\n', 'Host: a\r\nhost: a\r\n', 'Host: a\r\nX: 1\r\nHOST:\r\n'])
      for (const version of ['1.0', '1.1'])
        assert.deepEqual(
          await say(url, request(path, headers, 'GET', version)),
          { status: 400, detail: 'There are several Host headers: send one.' },
          `${path} ${headers}`,
        )
  }
  for (const method of ['HEAD', 'OPTIONS', 'PUT', 'DELETE'])
    assert.equal((await say(url, request('/health/pg', 'Host: a\r\nHost: b\r\n', method))).status, 400, method)
})

test('an invalid Host is 400 on every path, with the remedy', async (t) => {
  const url = await start(t)
  const bad = [
    'a b',
    'a/b',
    'user@a',
    'a:b',
    'a:1:2',
    '[::1',
    '::1',
    '[127.0.0.1]',
    '[::1]x',
    '[]',
    'a\\b',
    'a%zz',
    '"a"',
    'ä',
    'a#',
  ]
  for (const path of paths) {
    for (const host of bad) {
      const { status, detail } = await say(url, request(path, `Host: ${host}\r\n`))
      assert.equal(status, 400, `${path} ${host}`)
      assert.match(detail ?? '', /is not a host: send Host: NAME or Host: NAME:PORT\.$/)
    }
  }
})

test('every valid host of RFC 3986 passes while no names are listed', async (t) => {
  const url = await start(t)
  const good = [
    '',
    'a',
    'A.example.',
    'a:',
    'a:80',
    ':80',
    '127.0.0.1:80',
    '[::1]',
    '[::1]:80',
    '[fe80::1%25eth0]',
    '[v1.a:b]',
    'a_b',
    'x%41',
    "!$&'()*+,;=",
  ]
  for (const path of ['/health/pg', '/health/pg?', '/livez'])
    for (const host of good)
      assert.equal((await say(url, request(path, `Host: ${host}\r\n`))).status, 200, `${path} ${host}`)
})

test('while names are listed, a request that names another host is 421, with the remedy', async (t) => {
  const url = await start(t, ['Porthole.example.org.', 'mon_itor'])
  const good = [
    'porthole.example.org',
    'PORTHOLE.example.org.',
    'porthole.example.org:8080',
    'mon_itor',
    'localhost',
    'LocalHost.:80',
  ]
  const always = ['127.0.0.1', '192.0.2.7:8080', '[::1]', '[2001:db8::1]:80', '']
  for (const host of [...good, ...always])
    for (const path of ['/health/pg', '/health/pg?', '/v1/services', '/'])
      assert.equal((await say(url, request(path, `Host: ${host}\r\n`))).status, 200, `${path} ${host}`)

  const other = [
    'evil.example',
    'porthole.example.org.evil.example',
    'a.porthole.example.org',
    'example.org',
    'localhost.evil',
    '127.0.0.1.evil',
    'porthole.example.org..',
    '1.2.3',
  ]
  for (const host of other) {
    for (const path of [
      '/health/pg',
      '/health/pg?',
      '/v1/services',
      '/v1/events',
      '/',
      '/metrics',
      '/nowhere',
      '/docs',
      '/openapi.json',
    ])
      assert.deepEqual(
        await say(url, request(path, `Host: ${host}:80\r\n`)),
        {
          status: 421,
          detail: `This Porthole does not answer for the host "${host}": ask by its IP address, or add the name to listen.hosts.`,
        },
        `${path} ${host}`,
      )
    for (const method of ['HEAD', 'OPTIONS', 'PUT'])
      assert.equal((await say(url, request('/health/pg', `Host: ${host}\r\n`, method))).status, 421, method)
    for (const path of ['/livez', '/readyz', '/livez/', '/readyz?verbose'])
      assert.equal((await say(url, request(path, `Host: ${host}\r\n`))).status, 200, path)
  }
  // Load balancers send such requests, and browsers do not.
  assert.equal((await say(url, request('/health/pg', '', 'OPTIONS', '1.0'))).status, 200)
})

test('the host of an absolute request target counts, and not the header', async (t) => {
  const url = await start(t, ['good.example'])
  for (const [target, host, status] of [
    ['http://good.example/health/pg', 'evil.example', 200],
    ['http://evil.example/health/pg', 'good.example', 421],
    ['HTTP://EVIL.example:80/health/pg', 'good.example', 421],
    ['http://good.example@evil.example/health/pg', 'good.example', 421],
    ['http://evil.example?good.example', 'good.example', 421],
    ['http://evil.example/livez', 'good.example', 200],
    ['http://a b/health/pg', 'good.example', 400],
    ['http://a|b/health/pg', 'good.example', 400],
    ['http://good.example/health/pg', 'a|b', 400],
  ] as const)
    assert.equal((await say(url, request(target, `Host: ${host}\r\n`))).status, status, `${target} ${host}`)
})

test('an empty list allows only IP addresses and localhost', async (t) => {
  const url = await start(t, [])
  for (const [host, status] of [
    ['a', 421],
    ['localhost', 200],
    ['127.0.0.1', 200],
  ] as const)
    assert.equal((await say(url, request('/health/pg', `Host: ${host}\r\n`))).status, status, host)
})

test('for every Host the fast path answers like the route', async (t) => {
  const url = await start(t, ['a.example'])
  const chunk = fc.constantFrom(
    'a',
    '.',
    'example',
    ':',
    '80',
    '[',
    ']',
    '::1',
    '%41',
    '%',
    '127.0.0.1',
    'localhost',
    '@',
    ' ',
    'v1.',
    '-',
    '_',
  )
  const host = fc.array(chunk, { maxLength: 5 }).map((chunks) => chunks.join(''))
  await fc.assert(
    fc.asyncProperty(fc.array(host, { minLength: 1, maxLength: 2 }), async (hosts) => {
      const headers = hosts.map((host) => `Host: ${host}\r\n`).join('')
      const [fast, routed] = await Promise.all([
        say(url, request('/health/pg', headers)),
        say(url, request('/health/pg?', headers)),
      ])
      assert.deepEqual(fast, routed)
      assert.ok([200, 400, 421].includes(fast.status))
    }),
    { numRuns: 200 },
  )
})
