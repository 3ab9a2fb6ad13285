import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fastify } from 'fastify'
import { describeRoutes } from '../../../openapi/generate.ts'
import type { Transition } from '../../../src/domain/health/transition.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import { answerWithProblems } from '../../../src/http/answers/problem.ts'
import { eventRoutes } from '../../../src/http/events/events.ts'
import { createEventStreams } from '../../../src/http/events/streams.ts'
import { compileRequestSchema, compileResponseSchema } from '../../../src/http/requests/schemas.ts'
import type { Emitter } from '../../../src/monitor/emitter.ts'
import { createTransitionLog } from '../../../src/monitor/transitions/transition-log.ts'
import { watch } from '../../monitor/fakes.ts'
import { registeredService, sampleService } from '../../support/samples.ts'
import { type Client, connect, until } from '../event-client.ts'

type Settings = { heartbeatMs?: number; maxBufferedBytes?: number; maxStreams?: number; maxCount?: number }

/** Wraps an emitter and counts its listeners. */
function counting<Event>(signal: Emitter<Event>): Emitter<Event> & { listeners(): number } {
  let listeners = 0
  return {
    emit: signal.emit,
    subscribe(listener) {
      const stop = signal.subscribe(listener)
      listeners++
      return () => {
        listeners--
        stop()
      }
    },
    listeners: () => listeners,
  }
}

/** Serves only the route on a free port. The test ends the checks of its monitor. */
async function serveEvents(t: TestContext, services: readonly Service[] = [], settings: Settings = {}) {
  const { maxCount = 20_000, ...limits } = settings
  const state = watch(services)
  const { clock, monitor } = state
  const kept = createTransitionLog({ monitor, clock, maxCount })
  const log = { ...kept, logged: counting(kept.logged) }
  const registry = { ...state.registry, changed: counting(state.registry.changed) }
  const streams = createEventStreams({ log, registry, clock, ...limits })
  const app = fastify({ forceCloseConnections: 'idle', return503OnClosing: false })
  app.setValidatorCompiler(compileRequestSchema)
  app.setSerializerCompiler(compileResponseSchema)
  answerWithProblems(app)
  await app.register(eventRoutes, { log, registry, clock, streams })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/v1/events`
  t.after(() => app.close())
  /** Every response of the server, in order. */
  const responses: ServerResponse[] = []
  app.server.prependListener('request', (_request, response) => void responses.push(response))

  /** Emits a transition of a service. Returns its id. */
  function happen(service: string, more: Partial<Transition> = {}): number {
    const at = clock.now()
    const message = 'no answer'
    monitor.transitions.emit({ service, target: null, from: 'up', to: 'down', at, reason: 'timeout', message, ...more })
    return log.lastId()
  }
  const read = async (query = '', headers: Record<string, string> = {}) => {
    const client = await connect(t, url + query, { headers })
    assert.equal(client.status, 200)
    // Events after this point are live.
    await client.until((text) => text.startsWith('retry: 2000\n'), 'the beginning')
    return client
  }
  const resume = (id: number | string, query = '') => read(query, { 'last-event-id': String(id) })
  return { ...state, log, registry, streams, app, url, responses, happen, read, resume }
}

/** Returns the ids of the received transitions, in order. */
const idsOf = (client: Client) => client.dataOf('transition').map((data) => Number((data as { id: string }).id))
const servicesOf = (client: Client) => client.dataOf('transition').map((data) => (data as Transition).service)
/** Returns all ids after `first` up to `last`. */
const idsAfter = (first: number, last: number) => Array.from({ length: last - first }, (_, i) => first + 1 + i)

const pg = sampleService('pg', ['pg:5432'], { groups: ['payments'] })

test('a transition is written in the exact format, after the retry time and the first id', async (t) => {
  const { log, read, checkOnce, target } = await serveEvents(t, [pg])
  const start = log.lastId()
  const client = await read()
  assert.equal(client.headers['content-type'], 'text/event-stream')
  assert.equal(client.headers['cache-control'], 'no-store, no-transform')
  assert.equal(client.headers['x-accel-buffering'], 'no')
  assert.equal(client.headers['content-length'], undefined)
  await checkOnce(target('pg', 'pg:5432'), 'refused', { latencyMs: 0.21 })
  await client.untilEvents(2)
  const [first, second] = log.after(start) ?? []
  assert.ok(first && second)
  const at = '2026-11-22T12:00:00.000Z'
  const written = (id: number, target: string, message: string) =>
    `event: transition\nid: ${id}\ndata: {"id":"${id}","at":"${at}","service":"pg","target":${target},"from":"unknown","to":"down","reason":"refused","message":${JSON.stringify(message)}}\n\n`
  assert.equal(
    client.text(),
    `retry: 2000\nid: ${start}\n\n${written(start + 1, '"pg:5432"', first.message)}${written(start + 2, 'null', second.message)}`,
  )
})

test('a change of the registry is sent as names, without an id', async (t) => {
  const web = sampleService('web', ['web:80'])
  const { log, registry, read } = await serveEvents(t, [web])
  const client = await read()
  registry.replaceAll([web, sampleService('mq', ['mq:61616']), pg], [])
  await client.untilEvents(1)
  registry.replaceAll([...registry.services.values()], [])
  registry.setDrained(['pg', 'web', 'later'], true)
  await client.untilEvents(2)
  assert.equal(
    client.text(),
    `retry: 2000\nid: ${log.lastId()}\n\n` +
      'event: registry\ndata: {"put":["mq","pg"],"removed":[]}\n\n' +
      'event: registry\ndata: {"put":["pg","web"],"removed":[]}\n\n',
  )
})

test('the last transition of a removed service is sent before its removal', async (t) => {
  const { log, registry, read } = await serveEvents(t, [pg])
  const clients = await Promise.all(['', '?group=payments', '?service=pg'].map((query) => read(query)))
  const id = log.lastId() + 1
  registry.replaceAll([], [])
  for (const client of clients) {
    await client.untilEvents(2)
    const [last, gone] = client.events()
    assert.deepEqual(last, {
      event: 'transition',
      id: String(id),
      data: {
        id: String(id),
        at: '2026-11-22T12:00:00.000Z',
        service: 'pg',
        target: null,
        from: 'unknown',
        to: 'unknown',
        reason: null,
        message: 'deregistered: no longer in the configuration',
      },
    })
    assert.deepEqual(gone, { event: 'registry', id: String(id), data: { put: [], removed: ['pg'] } })
  }
})

test('events of one moment are sent in order', async (t) => {
  const { registry, happen, read } = await serveEvents(t)
  const client = await read()
  happen('a')
  registry.replaceAll([pg], [])
  happen('b')
  await client.untilEvents(3)
  assert.deepEqual(
    client.events().map(({ event }) => event),
    ['transition', 'registry', 'transition'],
  )
})

test('line ends in names and messages cannot end an event', async (t) => {
  const { registry, log, happen, read, resume } = await serveEvents(t)
  const start = log.lastId()
  const client = await read()
  const hostile = 'a\n\nevent: evil\r\nid: 9\rdata: {}\n\n:\u2028\u2029\u0085\0\ud800 "\\'
  happen(hostile, { target: hostile, message: hostile })
  registry.replaceAll([sampleService(hostile, ['pg:5432'])], [])
  happen('after')
  await client.untilEvents(3)
  const replayed = await resume(start)
  await replayed.untilEvents(2)
  const [told, changed, after] = client.events()
  assert.ok(told && changed && after)
  assert.equal(client.events().length, 3)
  const { service, target, message } = told.data as Transition
  assert.deepEqual([service, target, message], [hostile, hostile, hostile])
  assert.deepEqual(changed, { event: 'registry', id: String(start + 1), data: { put: [hostile], removed: [] } })
  assert.equal((after.data as Transition).service, 'after')
  assert.deepEqual(replayed.events(), [told, after])
})

test('a reader that comes back with its last id receives missed transitions, then live ones', async (t) => {
  const { happen, read, resume } = await serveEvents(t)
  const client = await read()
  const first = happen('a')
  await client.untilEvents(1)
  assert.equal(client.lastEventId(), String(first))
  client.leave()
  happen('b')
  happen('c')
  const again = await resume(first)
  await again.untilEvents(2)
  const last = happen('d')
  await again.untilEvents(3)
  assert.deepEqual(idsOf(again), idsAfter(first, last))
  assert.ok(again.text().startsWith('retry: 2000\n\nevent: transition\n'))
})

test('the last id may be in the query; the header takes precedence, because it is newer', async (t) => {
  const { happen, read } = await serveEvents(t)
  const [first, second] = [happen('a'), happen('b'), happen('c')]
  const byQuery = await read(`?lastEventId=${first}`)
  await byQuery.untilEvents(2)
  assert.deepEqual(servicesOf(byQuery), ['b', 'c'])
  const byBoth = await read(`?lastEventId=${first}`, { 'last-event-id': String(second) })
  await byBoth.untilEvents(1)
  assert.deepEqual(servicesOf(byBoth), ['c'])
  const byEmptyHeader = await read(`?lastEventId=${first}`, { 'last-event-id': '' })
  await byEmptyHeader.untilEvents(2)
  assert.deepEqual(servicesOf(byEmptyHeader), ['b', 'c'])
})

test('a reader that lost the connection before the first event misses nothing', async (t) => {
  const { happen, read, resume } = await serveEvents(t)
  const client = await read()
  client.leave()
  happen('a')
  const again = await resume(client.lastEventId())
  await again.untilEvents(1)
  assert.deepEqual(servicesOf(again), ['a'])
})

test('no transition is missing and none comes twice, whenever a reader connects and leaves', async (t) => {
  const { log, happen, url } = await serveEvents(t)
  const start = log.lastId()
  const over = new AbortController()
  const world = (async () => {
    while (!over.signal.aborted) {
      for (let i = 0; i < 3; i++) happen('a')
      await setImmediate()
    }
  })()
  const seen: number[] = []
  let lastEventId = String(start)
  for (let i = 0; i < 40; i++) {
    const client = await connect(t, url, { headers: { 'last-event-id': lastEventId } })
    const wanted = 1 + ((i * 7) % 50)
    await client.untilEvents(wanted)
    client.leave()
    seen.push(...idsOf(client))
    lastEventId = client.lastEventId()
  }
  over.abort()
  await world
  assert.deepEqual(seen, idsAfter(start, Number(lastEventId)))
})

test('more readers than one turn serves all receive every event in order, also readers that connect later', async (t) => {
  const { log, registry, happen, read } = await serveEvents(t)
  const clients = await Promise.all(Array.from({ length: 50 }, () => read()))
  const coming: Promise<Client>[] = []
  for (let round = 0; round < 30; round++) {
    happen('a')
    registry.register([registeredService(`s${round}`, ['pg:5432'])])
    if (round % 2 === 0) coming.push(read())
    await setImmediate()
  }
  const last = happen('b')
  for (const client of [...clients, ...(await Promise.all(coming))]) {
    await client.until((text) => text.includes(`id: ${last}\ndata: `) && text.endsWith('\n\n'), 'the last')
    const start = Number(/^id: (\d+)$/m.exec(client.text())?.[1])
    assert.deepEqual(idsOf(client), idsAfter(start, last))
    // A change of the registry follows every transition but the last.
    const kinds = client.events().map(({ event }) => event)
    assert.equal(
      kinds
        .join(' ')
        .replaceAll('transition registry', '.')
        .replace(/^registry /, ''),
      `${'. '.repeat(last - start - 1)}transition`,
    )
  }
  assert.equal(clients[0]?.events().length, 61)
  assert.equal(log.lastId(), last)
})

test('a long replay waits for its reader, and includes transitions that were logged since it began', async (t) => {
  const { log, streams, responses, happen, resume } = await serveEvents(t, [], { maxBufferedBytes: 512 * 1024 })
  const start = log.lastId()
  for (let i = 0; i < 10_000; i++) happen('a', { message: 'x'.repeat(2000) })
  const client = await resume(start)
  client.pause()
  let mostBuffered = 0
  for (let i = 0; i < 500; i++) {
    happen('b')
    if (i % 5 === 0) await setImmediate()
    mostBuffered = Math.max(mostBuffered, responses[0]?.writableLength ?? 0)
  }
  assert.ok(mostBuffered > 0, 'the socket took the whole replay at once')
  assert.ok(mostBuffered < 512 * 1024, `${mostBuffered} bytes wait for the reader`)
  client.resume()
  await client.untilEvents(10_500)
  const last = happen('c')
  await client.untilEvents(10_501)
  assert.deepEqual(idsOf(client), idsAfter(start, last))
  assert.deepEqual(streams.stats(), { open: 1, dropped: 0 })
})

const unknownIds = [
  { what: 'a forgotten id', id: (first: number) => String(first) },
  { what: 'an id that no transition has yet', id: (_first: number, last: number) => String(last + 1) },
  { what: 'an id larger than any', id: () => '99999999999999999999' },
  { what: 'a text', id: () => 'yesterday' },
  { what: 'a text with line ends', id: () => '1\n\nevent: evil\ndata: {}\n\n' },
  { what: 'a negative number', id: () => '-1' },
]
for (const { what, id } of unknownIds) {
  test(`${what} is answered with a reset, and the stream goes on from now`, async (t) => {
    const { happen, read } = await serveEvents(t, [], { maxCount: 10 })
    const first = happen('a')
    let last = first
    for (let i = 0; i < 30; i++) last = happen('b')
    const client = await read(`?lastEventId=${encodeURIComponent(id(first, last))}`)
    await client.untilEvents(1)
    assert.equal(client.text(), `retry: 2000\n\nevent: reset\nid: ${last}\ndata: {}\n\n`)
    happen('c')
    await client.untilEvents(2)
    assert.deepEqual(servicesOf(client), ['c'])
  })
}

test('a transition that is logged just as a replay ends is sent once', async (t) => {
  const { app, log, happen, resume } = await serveEvents(t)
  const start = log.lastId()
  for (let i = 0; i < 300; i++) happen('a', { message: 'x'.repeat(2000) })
  let last = 0
  // Runs before the replay goes on. The replay then finds the transition in the log while its live event is still pending.
  app.server.prependOnceListener('request', (_request, response) => {
    response.on('drain', () => {
      if (log.lastId() - start < 310) last = happen('b')
    })
  })
  const client = await resume(start)
  await client.until(() => last > 0 && client.lastEventId() === String(last), 'the last')
  const end = happen('c')
  await client.until(() => client.lastEventId() === String(end), 'the end')
  assert.deepEqual(idsOf(client), idsAfter(start, end))
})

test('transitions that are forgotten during a replay cause a reset', async (t) => {
  const { log, happen, resume } = await serveEvents(t, [], { maxCount: 2000 })
  const start = log.lastId()
  // The socket does not take all of this, so the replay stops before its end.
  for (let i = 0; i < 2000; i++) happen('a', { message: 'x'.repeat(10_000) })
  const client = await resume(start)
  client.pause()
  await setImmediate()
  for (let i = 0; i < 4000; i++) happen('b')
  client.resume()
  await client.until((text) => text.includes('event: reset\n'), 'a reset')
  const last = happen('c')
  await client.until((text) => text.includes('"service":"c"'), 'the last')
  const told = idsOf(client)
  const before = told.slice(0, -1)
  assert.ok(before.length < 2000, 'the socket took the whole replay at once')
  assert.deepEqual(before, idsAfter(start, start + before.length))
  assert.equal(told.at(-1), last)
})

test('service and group filter a stream; several are allowed, and both must match', async (t) => {
  const services = [pg, sampleService('web', ['web:80'], { groups: ['shop', 'edge'] }), sampleService('mq', ['mq:1'])]
  const { log, happen, read, resume } = await serveEvents(t, services)
  const start = log.lastId()
  const queries = ['?service=pg', '?service=pg&service=later', '?group=payments&group=edge', '?group=shop&service=pg']
  const live = await Promise.all(queries.map((query) => read(query)))
  for (const service of ['pg', 'web', 'mq', 'later', 'pg']) happen(service)
  const expected = [['pg', 'pg'], ['pg', 'later', 'pg'], ['pg', 'web', 'pg'], []]
  for (const [index, client] of live.entries()) {
    const wanted = expected[index] ?? []
    await client.untilEvents(wanted.length)
    const replayed = await resume(start, queries[index])
    await replayed.untilEvents(wanted.length)
    assert.deepEqual(servicesOf(client), wanted, queries[index])
    assert.deepEqual(servicesOf(replayed), wanted, queries[index])
  }
})

test('a stream of a group receives services that enter, change, leave and are removed', async (t) => {
  const { registry, read } = await serveEvents(t, [pg])
  const client = await read('?group=payments')
  const web = sampleService('web', ['web:80'])
  const put = (...services: Service[]) => registry.replaceAll(services, [])
  put(pg, web)
  put(pg, sampleService('web', ['web:80'], { groups: ['payments'] }))
  put(sampleService('pg', ['pg:5432', 'pg:5433'], { groups: ['payments'] }), web)
  put(web, sampleService('mq', ['mq:1'], { groups: ['payments'] }))
  put(web)
  put()
  await client.untilEvents(4)
  assert.deepEqual(client.dataOf('registry'), [
    { put: ['web'], removed: [] },
    { put: ['pg', 'web'], removed: [] },
    { put: ['mq'], removed: ['pg'] },
    { put: [], removed: ['mq'] },
  ])
})

test('a heartbeat is a comment, or an id after the filter has left out transitions', async (t) => {
  const { log, happen, read, resume } = await serveEvents(t, [], { heartbeatMs: 20 })
  const start = log.lastId()
  const client = await read('?service=pg')
  const beginning = `retry: 2000\nid: ${start}\n\n`
  await client.until((text) => text.startsWith(`${beginning}:\n\n:\n\n`), 'two heartbeats')
  const passed = happen('web')
  await client.until((text) => /\nid: \d+\n\n:\n\n/.test(text.slice(beginning.length)), 'an id, then a heartbeat')
  assert.match(client.text().slice(beginning.length), new RegExp(`^(:\n\n)+id: ${passed}\n\n(:\n\n)+$`))
  assert.deepEqual(client.events(), [])
  const again = await resume(client.lastEventId())
  await again.until((text) => text.endsWith('\n:\n\n'), 'a heartbeat')
  assert.deepEqual(again.events(), [])
})

test('a reader that is too slow is disconnected, and can resume from its last id', async (t) => {
  const { log, streams, happen, read, resume } = await serveEvents(t, [], { maxBufferedBytes: 64 * 1024 })
  const start = log.lastId()
  const client = await read()
  client.pause()
  let last = start
  for (let i = 0; i < 1000 && streams.stats().dropped === 0; i++) {
    last = happen('a', { message: 'x'.repeat(100_000) })
    await setImmediate()
  }
  assert.equal(streams.stats().dropped, 1)
  await until(() => streams.stats().open === 0, 'the stream to be forgotten')
  client.resume()
  assert.equal(await client.ended, false, 'a stream that was cut must not look complete')
  const again = await resume(client.lastEventId())
  await again.until(() => again.lastEventId() === String(last), 'the last')
  assert.deepEqual([...idsOf(client), ...idsOf(again)], idsAfter(start, last))
  assert.equal(streams.stats().dropped, 1)
})

test('a large write does not disconnect a reader that had taken everything', async (t) => {
  const { log, streams, happen, read } = await serveEvents(t, [], { maxBufferedBytes: 1024 })
  const start = log.lastId()
  const client = await read()
  for (let i = 0; i < 5000; i++) happen('a', { message: 'x'.repeat(1000) })
  await client.untilEvents(5000)
  assert.deepEqual(idsOf(client), idsAfter(start, log.lastId()))
  assert.equal(streams.stats().dropped, 0)
})

test('beyond the limit a stream is 503 with Retry-After; a stream that ends makes room', async (t) => {
  const { streams, url, read } = await serveEvents(t, [], { maxStreams: 2 })
  const [first] = [await read(), await read()]
  const refused = await connect(t, url)
  assert.equal(await refused.ended, true)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['retry-after'], '5')
  assert.equal(refused.headers['content-type'], 'application/problem+json')
  assert.match(refused.text(), /2 event streams are open, which is the maximum\./)
  first.leave()
  await until(() => streams.stats().open === 1, 'room')
  await read()
  assert.equal(streams.stats().open, 2)
})

test('readers that leave are not listeners any more, and a closed server has no listener', async (t) => {
  const { app, log, registry, streams, happen, read } = await serveEvents(t, [pg])
  const listeners = () => [log.logged.listeners(), registry.changed.listeners()]
  const before = listeners()
  for (let round = 0; round < 4; round++) {
    const clients = await Promise.all(Array.from({ length: 25 }, () => read()))
    assert.equal(streams.stats().open, 25)
    happen('a')
    for (const client of clients) client.leave()
    await until(() => streams.stats().open === 0, 'the streams to be forgotten')
  }
  assert.deepEqual(listeners(), before)
  await app.close()
  assert.deepEqual(listeners(), [0, 0])
})

test('a reader that closes its half of the connection is gone', async (t) => {
  const { streams, url } = await serveEvents(t)
  const { port, pathname } = new URL(url)
  const socket = net.connect(Number(port), '127.0.0.1').on('error', () => undefined)
  t.after(() => socket.destroy())
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: a\r\n\r\n`)
  await until(() => streams.stats().open === 1, 'the stream')
  socket.end()
  await until(() => streams.stats().open === 0, 'the stream to be forgotten')
})

test('a client that is gone before the stream begins is not counted as a reader', async (t) => {
  const { streams, responses, read } = await serveEvents(t)
  const client = await read()
  client.leave()
  await until(() => streams.stats().open === 0, 'the stream to be forgotten')
  const [response] = responses
  assert.ok(response)
  streams.open(response, {}, undefined)
  assert.equal(streams.stats().open, 0)
})

test('pipelined streams end with their connection', async (t) => {
  const { streams, url } = await serveEvents(t)
  const { port, pathname } = new URL(url)
  const socket = net.connect(Number(port), '127.0.0.1').on('error', () => undefined)
  t.after(() => socket.destroy())
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(5))
  await until(() => streams.stats().open === 5, 'the streams')
  socket.destroy()
  await until(() => streams.stats().open === 0, 'the streams to be forgotten')
})

test('closing the server sends pending events and ends every stream completely', async (t) => {
  const { app, happen, read } = await serveEvents(t)
  const clients = await Promise.all(['', '?service=a', '?group=b'].map((query) => read(query)))
  happen('a')
  await app.close()
  assert.deepEqual(await Promise.all(clients.map(({ ended }) => ended)), [true, true, true])
  assert.deepEqual(clients.map(servicesOf), [['a'], ['a'], []])
})

test('closing the server does not wait for a keep-alive connection', async (t) => {
  const { app, streams, url } = await serveEvents(t)
  const { port, pathname } = new URL(url)
  const socket = net
    .connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    .on('error', () => undefined)
  t.after(() => socket.destroy())
  let text = ''
  socket.setEncoding('utf8').on('data', (part) => {
    text += part
  })
  const ended = once(socket, 'end')
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: a\r\n\r\n`)
  await until(() => streams.stats().open === 1, 'the stream')
  const closed = app.close()
  await ended
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\nconnection: close\r\n.*\r\n0\r\n\r\n$/s)
  socket.end()
  await closed
})

test('closing the server does not wait for a reader that reads nothing', async (t) => {
  const { app, streams, happen, read } = await serveEvents(t)
  const client = await read()
  client.pause()
  happen('a', { message: 'x'.repeat(50_000_000) })
  await setImmediate()
  // This reader would keep the server waiting for ever.
  await app.close()
  await until(() => streams.stats().open === 0, 'the stream to be forgotten')
  client.resume()
  assert.equal(await client.ended, false, 'the socket took everything: this shows nothing')
})

test('no stream begins while the server stops', async (t) => {
  const { streams, url } = await serveEvents(t)
  streams.endAll()
  const refused = await connect(t, url)
  await refused.ended
  assert.equal(refused.status, 503)
  assert.match(refused.text(), /Porthole is about to stop\./)
})

test('HEAD is answered with headers only', async (t) => {
  const { streams, url } = await serveEvents(t)
  const answer = await connect(t, url, { method: 'HEAD' })
  assert.equal(await answer.ended, true)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'text/event-stream')
  assert.equal(answer.headers['cache-control'], 'no-store, no-transform')
  assert.equal(answer.text(), '')
  assert.equal(streams.stats().open, 0)
})

test('a parameter that does not exist, or is repeated where it may not be, is 400', async (t) => {
  const { app } = await serveEvents(t)
  const unknown = await app.inject('/v1/events?services=pg')
  assert.equal(unknown.statusCode, 400)
  assert.equal(unknown.json().detail, 'unknown query parameter services: there are service, group, lastEventId')
  const twice = await app.inject('/v1/events?lastEventId=1&lastEventId=2')
  assert.equal(twice.statusCode, 400)
  assert.equal(twice.json().detail, 'given more than once: write it once')
})

test('the document describes the stream, its parameters and its refusals', async (t) => {
  const { log, registry, clock } = await serveEvents(t)
  const app = fastify()
  t.after(() => app.close())
  app.setValidatorCompiler(compileRequestSchema)
  app.setSerializerCompiler(compileResponseSchema)
  await describeRoutes(app, '0.0.0-test')
  await app.register(eventRoutes, { log, registry, clock })
  await app.ready()
  const document = JSON.parse(JSON.stringify(app.swagger()))
  const { get } = document.paths['/v1/events']
  assert.deepEqual(
    get.parameters.map(({ name }: { name: string }) => name),
    ['service', 'group', 'lastEventId', 'last-event-id'],
  )
  assert.deepEqual(Object.keys(get.responses), ['200', '400', '503'])
  assert.equal(get.responses['200'].content['text/event-stream'].schema.type, 'string')
  for (const word of ['transition', 'registry', 'reset', 'Last-Event-ID'])
    assert.ok(get.description.includes(word), word)
})
