/** Tests every route with the largest and oddest queries that it accepts. Counts the services that it handles in one turn of the event loop. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { FastifyInstance, HTTPMethods } from 'fastify'
import type { Service } from '../../src/domain/service/service.ts'
import { mostValues } from '../../src/http/services/repeated.ts'
import { writeCursor } from '../../src/http/services/service-query.ts'
import type { ServiceState } from '../../src/monitor/state/state.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createTimeSlices } from '../../src/runtime/time-slices.ts'
import { build, holdChecks } from '../support/app.ts'
import { until } from '../support/process.ts'
import { sampleService } from '../support/samples.ts'

const size = 12_000
const groups = 100
const groupsOfEach = 20
/** How many services one slice of this test handles. */
const perSlice = 500
/** The most services in one turn. A chunk of a column is read whole, and two slices may begin between two looks of this test. */
const mostBetweenYields = 6000

const nameOf = (index: number) => `service-${index}`
const last = nameOf(size - 1)
const names = Array.from({ length: mostValues }, (_, index) => nameOf(index))
const groupNames = Array.from({ length: groups }, (_, index) => `group-${index}`)

/** Counts handled services. Several reads of one service in a row count once. */
function countHandled() {
  let handled = 0
  let latest: unknown
  let most = 0
  let before = 0
  const touch = (one: unknown) => {
    if (one !== latest) handled++
    latest = one
  }
  /** Returns a copy of a service that is counted whenever a field of it is read. */
  function countService(service: Service): Service {
    const counted = {}
    for (const key of [
      'name',
      'targets',
      'groups',
      'sharedSettings',
      'quorum',
      'resolve',
      'policy',
      'origin',
      'expiredTtlMs',
    ] as const) {
      const value = service[key]
      const get = () => {
        touch(counted)
        return value
      }
      Object.defineProperty(counted, key, { get, enumerable: true })
    }
    return counted as Service
  }
  /** Makes the state of a service count whenever its targets are read. Most loops read no other field. */
  function countWatched(state: ServiceState): void {
    const { service } = state
    const { targets } = state
    Object.defineProperty(state, 'targets', {
      get() {
        touch(service)
        return targets
      },
    })
  }
  const look = () => {
    most = Math.max(most, handled - before)
    before = handled
  }
  return {
    countService,
    countWatched,
    handled: () => handled,
    /** Returns the most services that one turn of the event loop handles during some work, and the number in all. */
    async during(work: () => Promise<void>): Promise<{ most: number; all: number }> {
      most = 0
      before = handled
      const begin = handled
      let next = setImmediate(function lookAgain() {
        look()
        next = setImmediate(lookAgain)
      })
      await work()
      await nextTurn()
      clearImmediate(next)
      return { most, all: handled - begin }
    },
  }
}

type Route = { readonly method: HTTPMethods; readonly url: string }
type Parameter = { readonly name: string; readonly in: string; readonly schema: { readonly type?: string } }
type Document = { readonly paths: Record<string, Record<string, { readonly parameters?: readonly Parameter[] }>> }

/** Builds the app with many services. Returns it with every route, as the app reports them. */
async function buildMany(t: TestContext) {
  const routes: Route[] = []
  const note = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) routes.push({ method: one, url })
    })
  }
  subscribe('fastify.initialization', note)
  const counter = countHandled()
  const clock = systemClock()
  const prober = holdChecks(clock)
  const slices = createTimeSlices({ now: () => counter.handled(), sliceMs: perSlice })
  const services = Array.from({ length: size }, (_, index) => {
    const own = Array.from({ length: groupsOfEach }, (_, more) => `group-${(index + more) % groups}`)
    const target = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:80`
    return counter.countService(sampleService(nameOf(index), [target], { groups: own, interval: 3_600_000 }))
  })
  const built = await build(t, services, { clock, prober, slices })
  unsubscribe('fastify.initialization', note)
  const swept = built.sweep()
  while (prober.held() > 0) {
    // One in three is down.
    prober.answer({ reason: 'refused' })
    await nextTurn()
    prober.answer()
    await nextTurn()
    prober.answer()
    await nextTurn()
  }
  await swept
  // Called once here, because the check of the first sweep loops over all services until it passes.
  assert.deepEqual(built.readiness.checks()[0], { name: 'first-sweep', failure: null })
  for (const state of built.monitor.services.values()) counter.countWatched(state)
  return { ...built, routes, counter }
}

/** Returns values for a parameter: the largest, and one that matches nothing. An unknown parameter fails the test. */
function valuesOf(name: string, isMany: boolean, path: string, firstId: string): readonly string[] {
  const many = (values: readonly string[]) => values.map((value) => `${name}=${value}`).join('&')
  const repeated = (value: string) => many(Array<string>(1000).fill(value))
  if (isMany) {
    const known: Record<string, readonly string[]> = {
      group: [many(groupNames), many(groupNames.slice(0, 1)), repeated('group-7')],
      exclude: [many(names), repeated('service-1')],
      service: [many(names), repeated(last)],
      status: [many(['draining', 'unknown']), repeated('down')],
    }
    return known[name] ?? assert.fail(`${path} has a parameter ${name} that may be repeated: add values for it here`)
  }
  const known: Record<string, readonly string[]> = {
    q: ['q=nothing-is-called-so', 'q=service', `q=${'a'.repeat(400)}`],
    show: ['show=3200'],
    limit: ['limit=1000'],
    from: ['from=3650d'],
    to: ['to=0s', 'to=3650d'],
    cursor: [path.endsWith('transitions') ? 'cursor=1' : `cursor=${writeCursor('service-0')}`],
    lastEventId: [`lastEventId=${firstId}`, 'lastEventId=1'],
    service: ['service=nobody', `service=${last}`],
    uptime: ['uptime=30d'],
    maxAge: ['maxAge=1d'],
    wait: ['wait=0s'],
    quorum: ['quorum=any', 'quorum=1%25'],
    degraded: ['degraded=503'],
    verbose: ['verbose'],
  }
  return known[name] ?? assert.fail(`${path} has a parameter ${name}: add values for it here`)
}

/** Returns the queries of a route: none, each parameter alone, and all of them together. */
function queriesOf(parameters: readonly Parameter[], path: string, firstId: string): string[] {
  const values = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, schema }) => valuesOf(name, schema.type === 'array', path, firstId))
  const together = [values.map(([first]) => first), values.map((all) => all.at(-1))].map((all) => all.join('&'))
  const more =
    path === '/health' ? ['maxAge=0s&wait=0s', `verbose&maxAge=0s&wait=0s&${valuesOf('group', true, path, '')[0]}`] : []
  return [...new Set(['', ...values.flat(), ...together, ...more])]
}

const paths: Readonly<Record<string, string>> = { ':service': last, ':file': 'page.js', '*': 'static/swagger-ui.css' }

/** Returns the URL of a route, for the last service. */
function pathTo(url: string): string {
  return url.replace(
    /:\w+|\*/g,
    (parameter) => paths[parameter] ?? assert.fail(`${url}: say here what ${parameter} is`),
  )
}

test('no route handles many services in one turn of the event loop, whatever its query', async (t) => {
  const { app, get, routes, counter } = await buildMany(t)
  const { paths: described } = (await get('/openapi.json')).json() as Document
  const firstId = (await get('/v1/transitions?service=service-0')).json().transitions.at(-1).id
  /** Sends a request and reads the whole answer, or only its beginning where the answer has no end. */
  async function ask(method: HTTPMethods, url: string): Promise<number> {
    const response = await app.inject({ method: method as 'GET', url, payloadAsStream: true })
    const body = response.stream()
    if (response.headers['content-type'] === 'text/event-stream') {
      body.resume()
      for (let turn = 0; turn < 200; turn++) await nextTurn()
      body.destroy()
    } else {
      for await (const _ of body);
    }
    return response.statusCode
  }
  assert.ok(routes.length > 40, `${routes.length} routes`)
  const handled = new Map<string, number>()
  const held: string[] = []
  for (const { method, url } of routes) {
    const path = pathTo(url)
    if (!['GET', 'HEAD', 'POST', 'OPTIONS'].includes(method)) {
      // Routes that change something need a token, and none is configured.
      assert.ok([400, 403, 405].includes(await ask(method, path)), `${method} ${url}`)
      continue
    }
    const operation =
      described[url.replace(/:(\w+)/g, '{$1}')]?.[
        method === 'HEAD' || method === 'OPTIONS' ? 'get' : method.toLowerCase()
      ]
    for (const query of queriesOf(operation?.parameters ?? [], url, firstId)) {
      // A requested check never ends in this test.
      if (method === 'POST' && url.endsWith('/checks')) continue
      const asked = query === '' ? path : `${path}?${query}`
      const shown = `${method} ${asked.slice(0, 100)}`
      let status = 0
      const { most, all } = await counter.during(async () => {
        status = await ask(method, asked)
      })
      assert.ok(status < 400 || status === 405 || status === 503, `${shown}: ${status}`)
      if (most > mostBetweenYields) held.push(`${shown}: ${most} services in one turn of the event loop`)
      handled.set(url, Math.max(handled.get(url) ?? 0, all))
    }
  }
  assert.deepEqual(held, [])
  // Shows that the counting works: these routes read all services.
  for (const url of ['/', '/health', '/v1/services', '/v1/sd', '/metrics', '/v1/events'])
    assert.ok((handled.get(url) ?? 0) >= size, `${url} handles ${handled.get(url)} services`)
})

test('requests of clients that are gone handle hardly any service, and other requests are answered', async (t) => {
  const { app, listen, get, counter } = await buildMany(t)
  const url = new URL(await listen())
  const clients = 30
  const connections = promisify(app.server.getConnections.bind(app.server))
  for (const path of [
    '/v1/sd',
    `/health?${groupNames.map((name) => `group=${name}`).join('&')}`,
    '/metrics',
    '/?q=service',
  ]) {
    const { all } = await counter.during(async () => {
      const gone = Array.from({ length: clients }, () => {
        const socket = connect(Number(url.port), url.hostname)
        socket.on('error', () => undefined)
        socket.once('connect', () =>
          socket.write(`GET ${path} HTTP/1.1\r\nHost: porthole\r\n\r\n`, () => socket.destroy()),
        )
        return once(socket, 'close')
      })
      await Promise.all(gone)
      assert.equal((await get(`/health/${last}`)).statusCode, 200)
      await until('their connections are closed', async () => (await connections()) === 0)
      // Waits for requests that are still queued.
      for (let turn = 0; turn < 10 * clients; turn++) await nextTurn()
    })
    // Each request may have had one slice before Porthole noticed that its client is gone.
    assert.ok(all < clients * 3000, `${path}: ${all} services are handled for ${clients} clients that are gone`)
  }
})
