import http, { type IncomingHttpHeaders } from 'node:http'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'

/** An event as a reader receives it. */
export type ReadEvent = { readonly event: string; readonly id: string; readonly data: unknown }

/** Returns the events of a stream, read as WHATWG HTML §9.2.6 says. Their JSON is parsed. An incomplete event is ignored. */
export function parseEvents(text: string): { events: ReadEvent[]; lastEventId: string } {
  const events: ReadEvent[] = []
  let [event, data, id, lastEventId] = ['', '', '', '']
  for (const line of text.split(/\r\n|\r|\n/).slice(0, -1)) {
    if (line === '') {
      lastEventId = id
      if (data !== '') events.push({ event: event || 'message', id, data: JSON.parse(data.slice(0, -1)) })
      event = ''
      data = ''
      continue
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'event') event = value
    if (field === 'data') data += `${value}\n`
    if (field === 'id' && !value.includes('\0')) id = value
  }
  return { events, lastEventId }
}

/** A client that reads a stream over a socket. */
export type Client = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Returns all bytes so far, as text. */
  text(): string
  events(): ReadEvent[]
  /** Returns the data of every event of this kind. */
  dataOf(event: string): unknown[]
  lastEventId(): string
  /** Waits until the text so far meets a condition. */
  until(holds: (text: string) => boolean, what: string): Promise<void>
  /** Waits for this many events. */
  untilEvents(count: number): Promise<void>
  pause(): void
  resume(): void
  /** Closes the connection abruptly. */
  leave(): void
  /** Resolves with true when the stream ended, with false when it was cut. */
  readonly ended: Promise<boolean>
}

/** Opens a stream and reads it as it arrives. The client closes after the test. */
export function connect(
  t: TestContext,
  url: string,
  { headers = {}, method = 'GET' }: { headers?: Record<string, string>; method?: string } = {},
): Promise<Client> {
  return new Promise((connected, failed) => {
    const request = http.request(url, { headers, method, agent: false }, (response) => {
      let text = ''
      let whole = 0
      let rest = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
        const blocks = (rest + part).split('\n\n')
        rest = blocks.pop() ?? ''
        whole += blocks.filter((block) => /^data/m.test(block)).length
      })
      const events = () => parseEvents(text).events
      // An error at the end is ignored, because `complete` tells below whether the response ended or was cut.
      response.on('error', () => undefined)
      const ended = new Promise<boolean>((resolve) => response.on('close', () => resolve(response.complete)))
      connected({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: () => text,
        events,
        dataOf: (kind) =>
          events()
            .filter(({ event }) => event === kind)
            .map(({ data }) => data),
        lastEventId: () => parseEvents(text).lastEventId,
        until: (holds, what) => until(() => holds(text), `${what}; there came ${JSON.stringify(text.slice(-500))}`),
        untilEvents: (count) => until(() => whole >= count, `${count} events`),
        pause: () => void response.pause(),
        resume: () => void response.resume(),
        leave: () => void request.destroy(),
        ended,
      })
    })
    request.on('error', failed).end()
    t.after(() => request.destroy())
  })
}

/** Waits until a condition holds, for 20 seconds at most. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await setImmediate()
  }
}
