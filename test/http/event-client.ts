import http, { type IncomingHttpHeaders } from 'node:http'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'

/** An event as a reader is given it. */
export type ReadEvent = { readonly event: string; readonly id: string; readonly data: unknown }

/** What a program gets of a stream that reads it as WHATWG HTML §9.2.6 says; JSON is taken apart. An event that is not whole is none. */
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

/** A reader at the other end of a socket. */
export type Client = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Everything that came, as it came. */
  text(): string
  events(): ReadEvent[]
  /** The data of every event of this kind. */
  dataOf(event: string): unknown[]
  lastEventId(): string
  /** Waits for something that what came makes true. */
  until(holds: (text: string) => boolean, what: string): Promise<void>
  /** Waits for this many events. */
  untilEvents(count: number): Promise<void>
  pause(): void
  resume(): void
  /** Goes away without a word. */
  leave(): void
  /** True when the stream was ended, false when it was cut. */
  readonly ended: Promise<boolean>
}

/** Asks for a stream, and reads it as it comes. Goes away after the test. */
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
      // What it says at its end is read below, by whether the response is complete.
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

/** Waits for something to become true, 20 s at most. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await setImmediate()
  }
}
