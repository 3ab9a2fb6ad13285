/** The worker that holds the event stream of a browser's windows, with a fake clock, fake windows and fake streams. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, Script } from 'node:vm'
import { readAssets } from '../../src/page/assets.ts'

const script = new Script(readAssets().files.get('stream.js')?.body.toString() ?? '')

/** A stream that the test opens, breaks and writes to. */
class FakeSource extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  readyState = FakeSource.CONNECTING
  readonly url: string
  constructor(url: URL) {
    super()
    this.url = url.href
  }
  close(): void {
    this.readyState = FakeSource.CLOSED
  }
  open(): void {
    this.readyState = FakeSource.OPEN
    this.dispatchEvent(new Event('open'))
  }
  /** The server or a proxy answers with an error, or the connection breaks. */
  fail(readyState: number): void {
    this.readyState = readyState
    this.dispatchEvent(new Event('error'))
  }
  write(type: string, data: object): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }))
  }
}

/** The port of a window. Messages of the worker arrive in `received`. */
class FakePort extends EventTarget {
  readonly received: unknown[] = []
  start(): void {}
  postMessage(message: unknown): void {
    this.received.push(structuredClone(message))
  }
  /** Sends the message of a window. */
  say(query: string | null): void {
    this.dispatchEvent(new MessageEvent('message', { data: { query } }))
  }
}

/** Starts the worker under a path. */
function startWorker() {
  const sources: FakeSource[] = []
  const worker = new EventTarget()
  let now = 1_000_000
  let sweep = () => {}
  script.runInContext(
    createContext({
      location: { href: 'https://status.test/porthole/page/stream.js?v=abc' },
      URL,
      URLSearchParams,
      Date: { now: () => now },
      EventSource: class extends FakeSource {
        constructor(url: URL) {
          super(url)
          sources.push(this)
        }
      },
      addEventListener: worker.addEventListener.bind(worker),
      setInterval: (run: () => void) => {
        sweep = run
      },
    }),
  )
  return {
    /** The streams that the worker opened, the newest last. */
    sources,
    connect() {
      const port = new FakePort()
      worker.dispatchEvent(Object.assign(new Event('connect'), { ports: [port] }))
      return port
    },
    /** Lets time pass; the worker's timer runs as often as it is due. */
    pass(ms: number) {
      for (const until = now + ms; now < until; sweep()) now += 10_000
    },
    /** The machine sleeps: time passes, and no timer runs until it wakes. */
    sleep(ms: number) {
      now += ms
      sweep()
    },
  }
}

const opened = { type: 'state', isOpen: true }
const closed = { type: 'state', isOpen: false }

test('one stream serves all windows, at the path that the worker was loaded from', () => {
  const { connect, sources } = startWorker()
  for (const query of ['', '?service=pg', '']) connect().say(query)
  assert.deepEqual(
    sources.map(({ url }) => url),
    ['https://status.test/porthole/v1/events'],
  )
})

test('a window learns the state of the stream when it opens or breaks, and after each of its own messages', () => {
  const { connect, sources } = startWorker()
  const port = connect()
  port.say('')
  sources[0]?.open()
  sources[0]?.fail(FakeSource.CONNECTING)
  port.say('')
  sources[0]?.open()
  const late = connect()
  late.say('?service=pg')
  assert.deepEqual(port.received, [closed, opened, closed, closed, opened])
  assert.deepEqual(late.received, [opened])
})

test('a window of one service gets the transitions of this service, and changes of the registry', () => {
  const { connect, sources } = startWorker()
  const [all, pg] = [connect(), connect()]
  all.say('')
  pg.say('?service=pg')
  sources[0]?.open()
  for (const port of [all, pg]) port.received.length = 0
  const [of, ofAnother] = ['pg', 'mail'].map((service) => ({ service, to: 'down' }))
  sources[0]?.write('transition', of ?? {})
  sources[0]?.write('transition', ofAnother ?? {})
  sources[0]?.write('registry', { put: ['mail'], removed: [] })
  sources[0]?.write('reset', {})
  const forBoth = [{ type: 'registry' }, { type: 'reset' }]
  assert.deepEqual(pg.received, [{ type: 'transition', transition: of }, ...forBoth])
  assert.deepEqual(all.received, [
    { type: 'transition', transition: of },
    { type: 'transition', transition: ofAnother },
    ...forBoth,
  ])
})

test('a hidden window gets no messages, and the stream closes when no window is left', () => {
  const { connect, sources } = startWorker()
  const [one, other] = [connect(), connect()]
  for (const port of [one, other]) port.say('')
  one.say(null)
  one.received.length = 0
  sources[0]?.open()
  assert.deepEqual([one.received, sources[0]?.readyState], [[], FakeSource.OPEN])
  other.say(null)
  assert.equal(sources[0]?.readyState, FakeSource.CLOSED)
  one.say('')
  assert.equal(sources.length, 2)
})

test('a window that sends no message for a minute is forgotten, and others are not', () => {
  const { connect, sources, pass } = startWorker()
  const [crashed, alive] = [connect(), connect()]
  for (const port of [crashed, alive]) port.say('')
  sources[0]?.open()
  pass(50_000)
  alive.say('')
  pass(20_000)
  crashed.received.length = 0
  sources[0]?.write('reset', {})
  assert.deepEqual([crashed.received, alive.received.at(-1)], [[], { type: 'reset' }])
  pass(60_000)
  assert.equal(sources[0]?.readyState, FakeSource.CLOSED)
  assert.equal(sources.length, 1)
})

test('the browser reopens a stream that breaks, and the worker reopens a refused stream after five seconds', () => {
  const { connect, sources, sleep } = startWorker()
  const port = connect()
  port.say('')
  sources[0]?.fail(FakeSource.CONNECTING)
  sleep(20_000)
  port.say('')
  assert.equal(sources.length, 1)
  sources[0]?.fail(FakeSource.CLOSED)
  port.say('')
  assert.equal(sources.length, 2)
  sources[1]?.fail(FakeSource.CLOSED)
  port.say('')
  sleep(4000)
  port.say('')
  assert.equal(sources.length, 2)
  sleep(2000)
  assert.equal(sources.length, 3)
})

test('the worker reopens the stream after the machine slept, because the connection may be dead', () => {
  const { connect, sources, sleep, pass } = startWorker()
  connect().say('')
  sources[0]?.open()
  pass(50_000)
  assert.equal(sources.length, 1)
  sleep(45_000)
  assert.equal(sources[0]?.readyState, FakeSource.CLOSED)
  const second = connect()
  second.say('')
  assert.equal(sources.length, 2)
  sleep(45_000)
  assert.equal(sources.length, 3)
  assert.deepEqual([sources[1]?.readyState, sources[2]?.readyState], [FakeSource.CLOSED, FakeSource.CONNECTING])
})
