import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { type Answer, ask, askOverSocket, readAnswer, talk } from './answers.ts'
import { type Described, type OpenApi, type Operation, readDocument } from './document.ts'
import { createHarvest } from './harvest.ts'
import { createJudge } from './judge.ts'
import { nearlyValid } from './mutations.ts'
import { type Kind, type Report, takeNotes } from './notes.ts'
import { type Request, showRequest, urlOf, validRequests, wellMeaning } from './requests.ts'
import { createValues } from './values.ts'
import { wildBytes, wildRequests } from './wild.ts'

export type Options = {
  readonly app: FastifyInstance
  /** The port of the app. Requests with endless answers are sent over a socket. */
  readonly port: number
  readonly document: OpenApi
  readonly seed: number
  /** The number of requests. Most are sent in memory. */
  readonly requests: number
  /** The number of connections that send wild bytes. */
  readonly connections: number
  readonly secret?: string
  /** Called before each request. */
  readonly before?: () => Promise<void> | void
}

/** Sends requests that the document describes, and many that it does not, and checks every answer against the document. */
export async function fuzz(options: Options): Promise<Report> {
  const { app, port, document, seed, requests, connections, secret = 'none', before = () => undefined } = options
  const described = readDocument(document)
  const judge = createJudge(described)
  const harvest = createHarvest()
  const notes = takeNotes(described.operations)
  let valids = 0

  function take(
    kind: Kind,
    { method, url, shown }: { method: string; url: string; shown: string },
    answer: Answer | string,
  ) {
    const operation = operationAt(described, method, url)
    if (typeof answer === 'string') return notes.complain(operation, answer, shown)
    notes.count(kind, operation, answer)
    notes.secured(operation, answer, shown)
    const complaints = judge({ method, url }, answer)
    for (const complaint of complaints) notes.complain(operation, complaint, shown)
    if (operation === undefined || complaints.length > 0) return
    if (answer.status < 300 && method !== 'HEAD' && answer.headers['content-type']?.includes('json'))
      harvest.take(url.split('?', 1)[0] ?? '', answer.body, answer.headers.etag)
  }

  async function send(kind: Kind, request: Request): Promise<void> {
    await before()
    const sent = normalise(request)
    const url = urlOf(sent)
    const isEndless = sent.method === 'GET' && operationAt(described, 'GET', url)?.streams
    // Every tenth valid request is sent over a socket too, because requests in memory skip Node.js' own HTTP server.
    const isSampled = kind === 'valid' && valids++ % 10 === 0
    const answer = await (isEndless || isSampled ? askOverSocket(port, sent) : ask(app, sent))
    // The server refuses an invalid Host before it looks at the path (RFC 9112 §3.2).
    const isRefused = 'host' in sent.headers && typeof answer !== 'string' && answer.status === 400
    take(kind, { method: sent.method, url: isRefused ? '' : url, shown: showRequest(sent) }, answer)
  }

  async function say(bytes: Buffer): Promise<void> {
    const [, method = '', url = ''] = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r\n/.exec(bytes.toString('latin1')) ?? []
    const said = await talk(port, bytes, wellMeaning, 20)
    const answer = typeof said === 'string' ? said : readAnswer(said)
    if (answer === null) return
    // The server refuses bytes that are not HTTP/1.1 before it looks at the path.
    const refused = typeof answer !== 'string' && [400, 408, 431].includes(answer.status)
    const asked = { method, url: refused ? '' : url }
    take('bytes', { ...asked, shown: JSON.stringify(bytes.toString('latin1')).slice(0, 1000) }, answer)
  }

  const parts = { described, harvest, valuesOf: createValues(described, harvest), secret }
  const valid = described.operations.map((operation) => [operation, validRequests(operation, parts)] as const)
  const anyRequest = fc.oneof(
    { weight: 4, arbitrary: of('valid', fc.oneof(...valid.map(([, arbitrary]) => arbitrary))) },
    { weight: 4, arbitrary: of('nearly valid', fc.oneof(...valid.map((pair) => nearlyValid(...pair)))) },
    { weight: 2, arbitrary: of('wild', wildRequests(described)) },
  )
  // Complaints are noted and not thrown, so that one run finds all mistakes.
  await fc.assert(
    fc.asyncProperty(anyRequest, ({ kind, request }) => send(kind, request)),
    { seed, numRuns: requests },
  )
  await fc.assert(fc.asyncProperty(wildBytes(described), say), { seed, numRuns: connections })
  return notes.report()
}

const of = (kind: Kind, requests: fc.Arbitrary<Request>) => requests.map((request) => ({ kind, request }))

/** Writes the URL of a request as `URL` does, without `..`, because requests in memory are normalised that way. */
function normalise(request: Request): Request {
  const { pathname, search } = new URL(`http://porthole${urlOf(request)}`)
  return { ...request, path: pathname + search, query: [] }
}

function operationAt({ placeOf }: Described, method: string, url: string): Operation | undefined {
  return placeOf(url)?.get(method === 'HEAD' ? 'GET' : method)
}
