import assert from 'node:assert/strict'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { LightMyRequestResponse } from 'fastify'
import type { Outcome, Reason } from '../../src/domain/check/outcome.ts'
import { type Service, ServiceName } from '../../src/domain/service/service.ts'
import { hidden, secret } from '../http/hidden.ts'
import { type Built, build, stoppedClock } from '../support/app.ts'
import { sampleOutcome, sampleService } from '../support/samples.ts'
import { type Element, keysIn, readElements, textOf, within } from './elements.ts'

const host = 'http://porthole.test'

type Answer = readonly [reason: Reason, more?: Partial<Outcome>]

type Page = {
  readonly response: LightMyRequestResponse
  readonly elements: readonly Element[]
  /** Resolves a link of the page to a path. Fails if it leads to another host. */
  follow(href: string): string
}

type Served = Built & {
  /** Sets the outcome of a target's checks from now on. The default is `connected`. */
  answer(target: string, ...answer: Answer): void
  /** Requests a page like a browser, and reads it. */
  open(path: string, headers?: Record<string, string>): Promise<Page>
  clock: ReturnType<typeof stoppedClock>
}

/** Serves the pages of these services. The test decides when they are checked. */
async function serve(
  t: TestContext,
  services: readonly Service[] = [],
  options: Pick<NonNullable<Parameters<typeof build>[2]>, 'access' | 'groups'> = {},
): Promise<Served> {
  const clock = stoppedClock()
  const answers = new Map<string, Answer>()
  const built = await build(t, services, {
    ...options,
    clock,
    prober: {
      name: 'portable',
      check({ target }, ended) {
        const [reason, more] = answers.get(target.name) ?? ['connected']
        const outcome = sampleOutcome(reason, clock.now(), { address: target.name, ...more })
        queueMicrotask(() => ended(outcome))
      },
      restarts: () => 0,
      close: async () => undefined,
    },
  })
  return {
    ...built,
    clock,
    answer: (target, ...answer) => void answers.set(target, answer),
    async open(path, headers = {}) {
      const response = await built.get(path, { accept: 'text/html,*/*;q=0.8', ...headers })
      const elements = readElements(response.body)
      assertStrict(response, elements)
      return {
        response,
        elements,
        follow(href) {
          const { origin, pathname, search } = new URL(href, host + path)
          assert.equal(origin, host, href)
          return pathname + search
        },
      }
    },
  }
}

/** Asserts that a page has no inline scripts or styles, loads files from Porthole alone, and that its policy allows no more. */
function assertStrict({ headers }: LightMyRequestResponse, elements: readonly Element[]): void {
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  const policy = String(headers['content-security-policy']).split('; ')
  for (const directive of [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "base-uri 'none'",
  ])
    assert.ok(policy.includes(directive), directive)
  for (const directive of policy) assert.match(directive, /^[a-z-]+ '(self|none)'$/)
  for (const { name, attributes, text } of elements) {
    assert.ok(!['style', 'iframe', 'object', 'embed', 'base'].includes(name), name)
    if (name === 'script') assert.ok(attributes.src !== undefined && text === '')
    for (const [attribute, value] of Object.entries(attributes)) {
      assert.ok(attribute !== 'style' && !attribute.startsWith('on'), `${name} ${attribute}`)
      if (['href', 'src', 'action'].includes(attribute)) assert.doesNotMatch(value, /^\s*[a-z]+:/i)
    }
  }
}

const first = (elements: readonly Element[], name: string) =>
  elements.find((element) => element.name === name) ?? assert.fail(`there is no ${name}`)
const one = (name: string, settings: Parameters<typeof sampleService>[2] = {}) =>
  sampleService(name, [`${name}.internal:5432`], { rise: 1, fall: 1, ...settings })
/** Returns the services that a page lists, in their order. */
const listed = ({ elements }: Page) => keysIn(elements, 'services')
/** Returns the row of a service in the list. */
const rowOf = ({ elements }: Page, name: string) =>
  elements.find(
    ({ attributes, parents }) =>
      attributes['data-key'] === name && parents.some((parent) => parent.attributes['data-part'] === 'services'),
  ) ?? assert.fail(`${name} is not listed`)
const linkIn = ({ elements }: Page, parent: Element) =>
  elements.find(({ name, parents }) => name === 'a' && parents.includes(parent))?.attributes.href ??
  assert.fail('there is no link')

const hostile = [
  '<img src=x onerror=alert(1)>',
  '"><script>alert(1)</script>',
  "' onfocus='alert(1)",
  '" onmouseover="alert(1)',
  'a&amp;b',
  '&lt;',
  "'",
  '</title></svg>',
  'a/b',
  '../../etc',
  'a?b=c&d#e',
  '%41',
  '%2F',
  'javascript:alert(1)',
  '//evil.example',
  '{{ x }}',
  '🐘 Zürich',
  '\u202Eright to left',
  'x'.repeat(200),
]

test('a page without services says so, and says how to add one', async (t) => {
  const { open } = await serve(t)
  const { elements } = await open('/')
  assert.equal(first(elements, 'title').text, 'No services · Porthole')
  assert.equal(textOf(elements, 'headline'), 'No services yet')
  assert.match(textOf(elements, 'empty'), /porthole\.yaml.*curl -X PUT/)
})

test('the overview shows the status of all services, the worst first', async (t) => {
  const { open, answer, sweep, registry, clock } = await serve(
    t,
    ['a', 'b', 'c', 'd'].map((name) => one(name)),
  )
  answer('c.internal:5432', 'refused')
  await sweep('a', 'c', 'd')
  registry.setDrained(['d'], true)
  clock.advance(65_000)
  await sweep('a', 'c')
  const page = await open('/')
  const { elements } = page
  assert.equal(first(elements, 'html').attributes['data-status'], 'down')
  assert.equal(first(elements, 'title').text, '1 down · Porthole')
  assert.match(textOf(elements, 'headline'), /^1 of 4 services down, 1 unknown, 1 draining checked 0 s ago$/)
  assert.deepEqual(listed(page), ['c', 'b', 'd', 'a'])
  assert.deepEqual(
    listed(page).map((name) => rowOf(page, name).attributes['data-status']),
    ['down', 'unknown', 'draining', 'up'],
  )
  const text = (name: string) => rowOf(page, name).text.replace(/\s+/g, ' ')
  assert.match(text('c'), /down for 1 min.*0\/1 up.*nothing listens on c\.internal:5432/)
  assert.match(text('d'), /draining.*taken out of service by its operator/)
  assert.match(text('a'), /up for 1 min.*1\/1 up.*0\.50 ms.*100%/)
})

test('the page of a service shows its targets, the worst first, its transitions and its settings', async (t) => {
  const targets = ['fine.internal:1', 'broken.internal:2']
  const { open, answer, sweep, clock } = await serve(t, [
    sampleService('db', targets, { quorum: 'any', groups: ['core', 'a b'], interval: 5000 }),
  ])
  answer('broken.internal:2', 'timeout')
  await sweep()
  clock.advance(3000)
  const { elements, follow } = await open('/services/db')
  assert.equal(first(elements, 'title').text, 'db degraded · Porthole')
  assert.equal(textOf(elements, 'headline'), 'db degraded for 3 s')
  assert.deepEqual(keysIn(elements, 'targets'), ['broken.internal:2', 'fine.internal:1'])
  assert.match(textOf(elements, 'transitions'), /3 s ago\s*service\s*degraded\s*was unknown/)
  const [checks] = elements.flatMap(({ attributes }) => attributes['data-checks'] ?? [])
  assert.deepEqual(
    JSON.parse(checks ?? '').map(({ target, verdicts }: { target: string; verdicts: string[] }) => [target, verdicts]),
    [
      ['fine.internal:1', ['up']],
      ['broken.internal:2', ['down']],
    ],
  )
  const facts = within(elements, 'facts').filter(({ name }) => ['dt', 'dd'].includes(name))
  assert.deepEqual(facts.map(({ text }) => text.trim()).slice(0, 6), [
    'Targets up',
    '1 of 2',
    'Quorum',
    'any',
    'Interval',
    '5s',
  ])
  const groups = within(elements, 'facts').filter(({ name }) => name === 'a')
  assert.deepEqual(
    groups.map(({ attributes }) => follow(attributes.href ?? '')),
    ['/?group=core', '/?group=a%20b'],
  )
})

test('names are text everywhere, and their links lead to the services and groups of these names', async (t) => {
  const { open, sweep } = await serve(
    t,
    hostile.map((name) => sampleService(name, ['127.0.0.1:1', '127.0.0.1:2'], { groups: [name, 'all of them'] })),
  )
  await sweep()
  for (const path of ['/', '/?show=100&q=', '/?group=all%20of%20them']) {
    const page = await open(path)
    assert.deepEqual([...listed(page)].sort(), [...hostile].sort())
    for (const name of hostile) {
      assert.ok(rowOf(page, name).text.includes(name))
      const { elements, follow } = await open(page.follow(linkIn(page, rowOf(page, name))))
      assert.equal(first(elements, 'title').text, `${name} up · Porthole`)
      assert.equal(textOf(elements, 'headline'), `${name} up for 0 s`)
      const [group] = within(elements, 'facts').filter((element) => element.name === 'a')
      const { searchParams } = new URL(follow(group?.attributes.href ?? ''), host)
      assert.deepEqual([...searchParams], [['group', name]])
    }
  }
})

test('a service of any name is shown by its name, and found by its link and by a search', async (t) => {
  const { open, put } = await serve(t)
  const anyName = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter(
    // Browsers never request these names, because they resolve them to the folder itself or the folder above.
    (name) => ServiceName.safeParse(name).success && !['.', '..'].includes(name),
  )
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(anyName, { minLength: 1, maxLength: 5 }), async (names) => {
      put(names.map((name) => sampleService(name, ['127.0.0.1:1'])))
      const page = await open('/')
      assert.deepEqual([...listed(page)].sort(), [...names].sort())
      for (const name of names) {
        const { elements } = await open(page.follow(linkIn(page, rowOf(page, name))))
        assert.equal(first(elements, 'title').text, `${name} unknown · Porthole`)
        assert.ok(listed(await open(`/?q=${encodeURIComponent(name)}`)).includes(name))
      }
    }),
    { numRuns: 30 },
  )
})

test('a group is a link to its services, and a selected group is a link back to all services', async (t) => {
  const services = hostile.map((name) => sampleService(`of ${name}`, ['127.0.0.1:1'], { groups: [name] }))
  const { open } = await serve(t, [...services, sampleService('alone', ['127.0.0.1:1'])])
  const chips = ({ elements }: Page) =>
    elements.filter(
      ({ attributes, parents }) =>
        attributes['data-key'] !== undefined &&
        parents.some((parent) => /^(other-)?groups$/.test(parent.attributes['data-part'] ?? '')),
    )
  const current = ({ elements }: Page) =>
    elements.filter(({ attributes }) => attributes['aria-current'] === 'true').map(({ text }) => text.trim())
  const page = await open('/')
  assert.equal(chips(page).length, hostile.length)
  assert.deepEqual(current(page), [])
  for (const chip of chips(page)) {
    const name = chip.attributes['data-key'] ?? ''
    const path = page.follow(linkIn(page, chip))
    const narrowed = await open(path)
    assert.deepEqual(listed(narrowed), [`of ${name}`])
    assert.ok(current(narrowed).length === 1 && current(narrowed)[0]?.startsWith(name))
    const [again = assert.fail()] = chips(narrowed).filter(({ attributes }) => attributes['data-key'] === name)
    assert.equal(narrowed.follow(linkIn(narrowed, again)), '/')
  }
})

test('a search finds a part of the name of a service or of a target, in upper or lower case', async (t) => {
  const { open } = await serve(t, [
    sampleService('Postgres', ['db-1.Internal:5432']),
    sampleService('queue.*', ['mq.internal:61616', '[2001:db8::7]:61616']),
    sampleService('ÜBER', ['10.0.0.7:80']),
  ])
  for (const [q, ...names] of [
    ['', 'Postgres', 'queue.*', 'ÜBER'],
    ['POST', 'Postgres'],
    ['internal', 'Postgres', 'queue.*'],
    [':5432', 'Postgres'],
    ['2001:DB8', 'queue.*'],
    ['.*', 'queue.*'],
    ['über', 'ÜBER'],
    ['(', ...[]],
    ['nothing', ...[]],
  ] as const) {
    const page = await open(`/?q=${encodeURIComponent(q)}`)
    assert.deepEqual(listed(page), names, q)
    assert.equal(textOf(page.elements, 'shown'), names.length === 3 ? '3' : `${names.length} of 3`)
    const [field = assert.fail()] = page.elements.filter(({ attributes }) => attributes.type === 'search')
    assert.equal(field.attributes.value, q)
    assert.match(textOf(page.elements, 'headline'), /^3 of 3 services unknown/, 'the headline counts all services')
  }
})

test('the searched text is plain text on the page, whatever characters it has', async (t) => {
  const { open } = await serve(t, [one('pg')])
  for (const q of hostile) {
    const { elements } = await open(`/?q=${encodeURIComponent(q)}&group=${encodeURIComponent(q)}`)
    const values = elements.filter(({ name }) => name === 'input').map(({ attributes }) => attributes)
    assert.equal(values.find(({ type }) => type === 'search')?.value, q)
    assert.equal(values.find(({ name }) => name === 'group')?.value, q)
  }
})

test('statuses and groups filter together, and the form keeps the query', async (t) => {
  const { open, answer, sweep, registry } = await serve(t, [
    one('a', { groups: ['x'] }),
    one('b', { groups: ['x', 'y'] }),
    one('c', { groups: ['y'] }),
    one('d', { groups: ['z'] }),
    one('e'),
  ])
  for (const name of ['b', 'c']) answer(`${name}.internal:5432`, 'refused')
  await sweep('a', 'b', 'c', 'd')
  registry.setDrained(['d'], true)
  for (const [query, ...names] of [
    ['status=down', 'b', 'c'],
    ['status=down&status=draining', 'b', 'c', 'd'],
    ['status=unknown', 'e'],
    ['status=degraded'],
    ['group=x', 'b', 'a'],
    ['group=x&group=z', 'b', 'd', 'a'],
    ['group=x&status=down', 'b'],
    ['group=y&status=down&q=C', 'c'],
    ['group=nobody'],
  ] as const) {
    const page = await open(`/?${query}`)
    assert.deepEqual(listed(page), names, query)
    const asked = new URLSearchParams(query)
    const inputs = page.elements.filter(({ name }) => name === 'input').map(({ attributes }) => attributes)
    const checked = inputs.filter((input) => 'checked' in input).map(({ value }) => value)
    assert.deepEqual(checked.sort(), asked.getAll('status').sort())
    const kept = inputs.filter(({ name }) => name === 'group').map(({ value }) => value)
    assert.deepEqual(kept, asked.getAll('group'))
    if (names.length > 0) continue
    const [all = assert.fail()] = within(page.elements, 'more').filter(({ name }) => name === 'a')
    assert.equal(page.follow(all.attributes.href ?? ''), '/', 'the link back to all services')
  }
})

test('the form counts every status, whatever the query', async (t) => {
  const { open, answer, sweep } = await serve(t, [one('a'), one('b'), one('c')])
  answer('b.internal:5432', 'refused')
  await sweep('a', 'b')
  const { elements } = await open('/?status=down&q=b')
  const counts = ['down', 'unknown', 'degraded', 'draining', 'up'].map((status) => textOf(elements, `count-${status}`))
  assert.deepEqual(counts, ['1', '1', '0', '0', '1'])
})

test('a page shows fifty services by default, and says how many there are', async (t) => {
  const names = Array.from({ length: 120 }, (_, index) => `s${String(index).padStart(3, '0')}`)
  const { open } = await serve(
    t,
    names.map((name) => one(name)),
  )
  let page = await open('/?q=s')
  for (const [shown, left] of [
    [50, 70],
    [100, 20],
    [120, 0],
  ] as const) {
    assert.deepEqual(listed(page), names.slice(0, shown))
    const [link] = within(page.elements, 'more').filter(({ name }) => name === 'a')
    assert.equal(link !== undefined, left > 0)
    if (link === undefined) break
    assert.match(textOf(page.elements, 'more'), new RegExp(`\\b${left}\\b`))
    const path = page.follow(link.attributes.href ?? '')
    assert.equal(new URL(path, host).searchParams.get('q'), 's', 'the link keeps the search')
    page = await open(path)
  }
  assert.deepEqual(listed(await open('/?show=3')), names.slice(0, 3))
})

test('a wrong query is 400, and the answer says what to write', async (t) => {
  const { get } = await serve(t, [one('pg')])
  for (const [query, detail] of [
    ['status=dwon', '"dwon" is not a status: write up, degraded, down, unknown, draining'],
    ['show=0', /^show .* from 1 to 3200$/],
    ['show=x&status=y', /^.*"y" is not a status.*; show .*|^show .*; .*"y" is not a status.*$/],
  ] as const) {
    const response = await get(`/?${query}`, { accept: 'text/html' })
    assert.deepEqual([response.statusCode, response.headers['content-type']], [400, 'application/problem+json'])
    if (typeof detail === 'string') assert.equal(response.json().detail, detail)
    else assert.match(response.json().detail, detail)
  }
  assert.equal((await get('/?utm_source=mail&__proto__=x')).statusCode, 200)
})

const hiddenServices = [
  sampleService('pg', ['db-1.internal:5432', 'db-2.internal:5432'], { quorum: 'any', groups: ['payments'], rise: 1 }),
  sampleService('mq', ['10.0.0.6:61616'], { groups: ['payments'] }),
  sampleService('kept', ['10.0.0.7:80']),
]
/** Targets, addresses, reasons, sentences, latencies and replicas. */
const hints = /internal|10\.0\.0|192\.0\.2|5432|61616|refused|listens|RST|\d ms|second SYN|checker|EADDR/

/** Serves services with faults, where only clients with a token see details. */
async function serveHidden(t: TestContext): Promise<Served> {
  const served = await serve(t, hiddenServices, { access: hidden })
  served.answer('db-1.internal:5432', 'refused', { address: '192.0.2.5:5432', latencyMs: 0.25 })
  served.answer('db-2.internal:5432', 'connected', { address: '192.0.2.6:5432', latencyMs: 1021, synRetransmits: 1 })
  served.answer('10.0.0.6:61616', 'refused')
  await served.sweep()
  served.registry.setDrained(['mq'], true)
  served.monitor.attribute(() => ({ replica: 'checker-1', solo: false }))
  served.clock.advance(2000)
  return served
}

test('without details the pages show statuses, counts and times, and nothing about any target', async (t) => {
  const { open } = await serveHidden(t)
  for (const path of ['/', '/?show=100', '/services/pg', '/services/mq', '/services/kept', '/services/gone']) {
    const { response, elements } = await open(path)
    assert.doesNotMatch(response.body, hints, path)
    assert.equal(first(elements, 'html').attributes['data-events'], undefined, 'events are details')
    assert.ok(!elements.some(({ attributes }) => attributes.href?.includes('v1/')), 'no link leads to details')
  }
  const page = await open('/')
  assert.match(textOf(page.elements, 'headline'), /^1 of 3 services degraded, 1 draining checked 2 s ago$/)
  assert.deepEqual(listed(page), ['pg', 'mq', 'kept'])
  assert.match(rowOf(page, 'pg').text, /degraded.*1\/2/s)
  const { elements } = await open('/services/pg')
  assert.match(textOf(elements, 'headline'), /^pg degraded for 2 s$/)
  assert.match(textOf(elements, 'hidden-targets'), /token/)
})

test('clients with a token see all details', async (t) => {
  const { open } = await serveHidden(t)
  const authorization = `Bearer ${secret}`
  const overview = await open('/', { authorization })
  for (const told of [/db-1\.internal:5432/, /nothing listens|refused/, /1\.0 s/, /second SYN/])
    assert.match(overview.response.body, told)
  assert.equal(first(overview.elements, 'html').attributes['data-events'], '')
  const { elements, response } = await open('/services/pg', { authorization })
  assert.deepEqual(keysIn(elements, 'targets'), ['db-1.internal:5432', 'db-2.internal:5432'])
  for (const told of [/192\.0\.2\.5:5432/, /checker-1/, /data-checks/]) assert.match(response.body, told)
  assert.equal(first(elements, 'html').attributes['data-events'], '?service=pg')
  assert.doesNotMatch((await open('/services/pg', { authorization: `${authorization}x` })).response.body, hints)
})

test('without details a search ignores targets', async (t) => {
  const { open } = await serveHidden(t)
  for (const [q, hiddenOnes, shownOnes] of [
    ['internal', [], ['pg']],
    ['10.0.0', [], ['mq', 'kept']],
    ['5432', [], ['pg']],
    ['p', ['pg', 'kept'], ['pg', 'kept']],
    ['kept', ['kept'], ['kept']],
  ] as const) {
    assert.deepEqual(listed(await open(`/?q=${q}`)), hiddenOnes, q)
    assert.deepEqual(listed(await open(`/?q=${q}`, { authorization: `Bearer ${secret}` })), shownOnes, q)
  }
})

test('an unknown service is 404, with a page that shows its name as text, or a problem for clients that do not accept pages', async (t) => {
  const { open, get } = await serve(t, [one('pg')])
  for (const name of [...hostile, 'PG', 'pg ', '\0', '\uD83D'.toWellFormed()]) {
    const path = `/services/${encodeURIComponent(name)}`
    const { response, elements } = await open(path)
    assert.deepEqual([response.statusCode, response.headers.vary], [404, 'accept, accept-encoding'])
    assert.equal(first(elements, 'h1').text.replace(/\s+$/, ''), name.replace(/\s+$/, ''))
    assert.match(textOf(elements, 'missing'), /All services$/)
    assert.equal(first(elements, 'html').attributes['data-events'], undefined)
    for (const accept of ['application/json', '*/*']) {
      const problem = await get(path, { accept })
      assert.deepEqual([problem.statusCode, problem.headers.vary], [404, 'accept'])
      assert.equal(problem.headers['content-type'], 'application/problem+json')
    }
  }
})

test('HEAD is answered like GET without the page, and other methods are 405', async (t) => {
  const { app } = await serve(t, [one('pg')])
  for (const url of ['/', '/services/pg', '/services/gone', '/?status=x']) {
    const headers = { accept: 'text/html' }
    const [get, head, post] = await Promise.all(
      (['GET', 'HEAD', 'POST'] as const).map((method) => app.inject({ method, url, headers })),
    )
    assert(get && head && post)
    assert.deepEqual([head.statusCode, head.body], [get.statusCode, ''], url)
    for (const name of ['content-type', 'content-length', 'content-security-policy', 'cache-control'])
      assert.equal(head.headers[name], get.headers[name], `${url} ${name}`)
    assert.deepEqual([post.statusCode, post.headers.allow], [405, 'GET, HEAD'])
  }
})

test('clients that accept gzip get the same page compressed', async (t) => {
  const { get } = await serve(
    t,
    hostile.map((name) => sampleService(name, ['127.0.0.1:1'])),
  )
  for (const path of ['/', '/services/a%2Fb', '/page/page.css']) {
    const plain = await get(path)
    const zipped = await get(path, { 'accept-encoding': 'gzip, br' })
    assert.equal(plain.headers['content-encoding'], undefined)
    assert.equal(zipped.headers['content-encoding'], 'gzip')
    assert.match(String(zipped.headers.vary), /accept-encoding/i)
    assert.equal(gunzipSync(zipped.rawPayload).toString(), plain.body)
  }
})

test('every URL on every page leads to this host, under the path of the proxy, and is answered', async (t) => {
  const { open, get, sweep } = await serve(t, [
    one('pg', { groups: ['a/b', '?'] }),
    sampleService('a/b ?', ['127.0.0.1:1'], { groups: ['a/b'] }),
    ...Array.from({ length: 60 }, (_, index) => sampleService(`more ${index}`, ['127.0.0.1:1'])),
  ])
  await sweep()
  const paths = ['/', '/?q=pg&group=a%2Fb', '/?q=nothing', '/services/pg', '/services/pg/', '/services/a%2Fb%20%3F']
  for (const [proxy, headers] of [
    ['', {}],
    ['/status/porthole', {}],
    ['/status/porthole', { 'x-forwarded-prefix': '/status/porthole' }],
    ['', { 'x-forwarded-prefix': '//evil.example' }],
  ] as const) {
    const asked = new Map<string, number>()
    for (const path of [...paths, '/services/gone']) {
      const { elements } = await open(path, headers)
      const urls = elements.flatMap(({ attributes: { href, src, action } }) =>
        [href, src, action].filter((url) => url !== undefined),
      )
      assert.ok(urls.length > 8)
      for (const url of urls.filter((url) => !url.startsWith('#'))) {
        const { origin, pathname, search } = new URL(url, `${host}${proxy}${path}`)
        assert.equal(origin, host)
        assert.ok(pathname.startsWith(`${proxy}/`), `${url} on ${path}`)
        const inner = pathname.slice(proxy.length) + search
        const statusCode = asked.get(inner) ?? (await get(inner, { accept: 'text/html,*/*;q=0.8' })).statusCode
        asked.set(inner, statusCode)
        assert.equal(statusCode, 200, `${inner} on ${path}`)
      }
    }
    assert.ok(asked.size > 60)
  }
})

test('the icon and the page have the worst status, and a drained service is no fault', async (t) => {
  const { open, answer, sweep, registry } = await serve(t, [one('a'), one('b')])
  const icon = async (path: string) => {
    const { elements } = await open(path)
    const [link] = elements.filter(({ attributes }) => attributes.rel === 'icon')
    return [first(elements, 'html').attributes['data-status'], /icon-(\w+)\.svg/.exec(link?.attributes.href ?? '')?.[1]]
  }
  assert.deepEqual(await icon('/'), ['unknown', 'unknown'])
  await sweep()
  assert.deepEqual(await icon('/'), ['up', 'up'])
  registry.setDrained(['a'], true)
  assert.deepEqual(
    [await icon('/'), await icon('/services/a')],
    [
      ['up', 'up'],
      ['draining', 'draining'],
    ],
  )
  answer('b.internal:5432', 'timeout')
  await sweep('b')
  assert.deepEqual(
    [await icon('/'), await icon('/services/gone')],
    [
      ['down', 'down'],
      ['unknown', 'unknown'],
    ],
  )
})

test('the pages have notices of a solo replica and of a drained service', async (t) => {
  const { open, monitor, registry, clock } = await serve(t, [one('pg')])
  for (const path of ['/', '/services/pg']) assert.equal(textOf((await open(path)).elements, 'notices'), '')
  monitor.attribute(() => ({ replica: 'one', solo: true }))
  registry.setDrained(['pg'], true)
  clock.advance(1000)
  assert.match(textOf((await open('/')).elements, 'notices'), /^Solo /)
  assert.match(textOf((await open('/services/pg')).elements, 'notices'), /^Draining .*Solo /)
})

test('the snippets contain the host of the request, unless it is not a valid host', async (t) => {
  const { open } = await serve(t, [one('pg')])
  const curl = async (headers: Record<string, string>) =>
    (await open('/services/pg', headers)).elements.find(({ name, text }) => name === 'code' && text.startsWith('curl'))
      ?.text
  const line = (url: string) => `curl --fail-with-body -sS '${url}'`
  assert.equal(await curl({ host: 'porthole:9090' }), line('http://porthole:9090/health/pg'))
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'status.example', 'x-forwarded-prefix': '/p' }
  assert.equal(await curl(forwarded), line('https://status.example/p/health/pg'))
  for (const evil of ["'; reboot; '", 'db:99999', '1.2.3.999', '$(reboot)'])
    assert.equal(await curl({ host: 'porthole', 'x-forwarded-host': evil }), line('http://porthole/health/pg'), evil)
  // HTTP allows these two although they are not valid hosts.
  for (const evil of ['1.2.3.999', '$(reboot)'])
    assert.equal(await curl({ host: evil }), line('http://localhost:8080/health/pg'), evil)
})

test('the snippet for Kubernetes has the port that Porthole listens on, whatever the request says', async (t) => {
  const built = await build(t, [sampleService('pg', ['db:1'])])
  const { port } = new URL(await built.listen())
  for (const headers of [
    { host: 'status.example' },
    { host: 'status.example:8443' },
    { host: 'porthole', 'x-forwarded-host': 'status.example:8443', 'x-forwarded-proto': 'https' },
  ]) {
    const page = await new Promise<string>((resolve, reject) => {
      http
        .get({ port, host: '127.0.0.1', path: '/services/pg', headers }, (response) => resolve(text(response)))
        .on('error', reject)
    })
    assert.match(page, new RegExp(`httpGet: { path: /health/pg, port: ${port} }`))
  }
})

test('with several replicas the page names the one that checks a service to clients that see details, and a solo replica to all', async (t) => {
  const built = await build(t, [sampleService('pg', ['db:1'])], { access: hidden })
  const page = async () => (await built.get('/services/pg', { authorization: `Bearer ${secret}` })).body
  assert.doesNotMatch(await page(), /Checked by|Solo/)
  built.monitor.attribute(() => ({ replica: 'porthole-7f9c-2', solo: true }))
  assert.match(await page(), /Checked by<\/dt><dd>porthole-7f9c-2/)
  for (const path of ['/', '/services/pg']) {
    const { body } = await built.get(path)
    assert.match(body, /<b>Solo<\/b>/)
    assert.doesNotMatch(body, /porthole-7f9c-2/)
  }
})

test('a page does not grow with its address: only the link to more carries the query, and at most 200 other groups are listed', async (t) => {
  const name = (index: number) => `a group with quite a long name, number ${1000 + index}`
  const groups = Array.from({ length: 300 }, (_, index) => name(index))
  const { open } = await serve(t, [one('pg', { groups })])
  const query = groups
    .slice(200)
    .map((group) => `group=${encodeURIComponent(group)}`)
    .join('&')
  const { elements } = await open(`/?${query}&q=pg`)
  const links = elements.flatMap(({ attributes: { href } }) => href ?? [])
  assert.ok(
    links.every((href) => href.split('group=').length <= 2),
    'a link asks for one group at most',
  )
  const chips = elements.filter(({ attributes }) => 'data-filter' in attributes)
  const chosen = chips.filter((chip) => chip.attributes['aria-current'] === 'true')
  assert.deepEqual([chips.length, chosen.length], [300, 100], '200 groups, and the 100 that the query names')
  assert.ok(chosen.every(({ attributes }) => attributes.href === './'))
  const bare = await open('/')
  assert.equal(bare.elements.filter(({ attributes }) => 'data-filter' in attributes).length, 200)
  assert.match(bare.elements.map(({ text }) => text).join(''), /100 more are not listed/)
})
