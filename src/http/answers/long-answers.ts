import type { OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createTimeSlices, loopAbandoned, type TimeSlices } from '../../runtime/time-slices.ts'
import {
  type AnswerKind,
  answerKinds,
  type Cap,
  createAnswerCap,
  defaultCap,
  type Held,
  kindOf,
  longFrom,
} from './answer-caps.ts'
import { defaultPace, type Pace, sendPaced } from './pacing.ts'
import { problemOf, problemType, writeProblem } from './problem.ts'
import { securityHeaders } from './security.ts'
import { createStreamZip, isZippable, negotiateGzip, zipWhole } from './zipping.ts'

/** The bytes that a streamed answer holds where its route does not say: a few chunks on their way. */
const bytesOfStream = 256 * 1024
/** A whole answer is sent in chunks of this many bytes, without copying. */
const chunkBytes = 128 * 1024
/** How long answers may still take after Porthole begins to stop, in milliseconds. */
const closeGraceMs = 1000
/** How long a refused client should wait before it asks again, in seconds. */
const retryAfterSeconds = 5

/** How many long answers of one kind are under way, how many bytes they hold, and how many were refused or cut off so far. */
export type AnswerStats = {
  readonly underWay: number
  readonly heldBytes: number
  readonly refused: number
  readonly cutOff: number
}

/** Sends every long answer at the pace of its client, and limits the memory that all of them hold. */
export type LongAnswers = {
  /**
   * Sends an answer in chunks, compressed where the client prefers that, and resolves when it is over. A chunk is requested after the socket
   * took the one before, and may reuse its memory. HEAD is answered without any chunk. `heldBytes` is the memory that making the chunks holds.
   */
  stream(
    request: FastifyRequest,
    reply: FastifyReply,
    chunks: AsyncIterable<Uint8Array>,
    heldBytes?: number,
  ): Promise<void>
  /** Takes over the body that a route answers with. Returns the body that Fastify has to send; null when the answer is sent already. */
  takeOver(request: FastifyRequest, reply: FastifyReply, kind: AnswerKind, payload: unknown): Promise<unknown>
  stats(): ReadonlyMap<AnswerKind, AnswerStats>
  /** Cuts off the answers that are still under way after one second. */
  close(): void
}

type Long = {
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  readonly held: Held
  readonly zips: boolean
}

const heldBy = new WeakMap<Readable, Held>()

/** Records the memory that a body holds while it is sent. Bodies with the same key share it. */
export function holdWhileSent(body: Readable, held: Held): Readable {
  heldBy.set(body, held)
  return body
}

/** Creates the sender of long answers. `caps` limits each kind, and `pace` how slowly a client may read. */
export function createLongAnswers({
  caps = {},
  pace = defaultPace,
  slices = createTimeSlices(),
}: {
  caps?: Partial<Record<AnswerKind, Cap>>
  pace?: Pace
  slices?: TimeSlices
} = {}): LongAnswers {
  const countersOf = (kind: AnswerKind) => ({ cap: createAnswerCap(caps[kind] ?? defaultCap), refused: 0, cutOff: 0 })
  const kinds: Record<AnswerKind, ReturnType<typeof countersOf>> = {
    health: countersOf('health'),
    service: countersOf('service'),
    list: countersOf('list'),
    page: countersOf('page'),
    metrics: countersOf('metrics'),
  }
  const underWay = new Set<FastifyReply>()

  /** Counts an answer as under way and returns a function that ends it; null when the cap allows no more. */
  function admit(request: FastifyRequest, kind: AnswerKind, held: Held): (() => void) | null {
    const release = kinds[kind].cap.admit(held)
    if (release !== null) return release
    if (isChange(request)) return () => undefined
    kinds[kind].refused++
    return null
  }

  /** Sends a long answer, and calls `release` at its end. Returns the body of a refusal instead when `release` is null. */
  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    kind: AnswerKind,
    long: Long,
    release = admit(request, kind, long.held),
  ): Promise<Buffer | null> {
    if (release === null) return refuse(reply)
    try {
      // Before `hijack`, because Fastify answers only errors that are thrown before it.
      const zip = long.zips ? createStreamZip() : null
      const { raw } = reply.hijack()
      underWay.add(reply)
      raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
      const slice = slices.begin(() => raw.destroyed)
      const ending = await sendPaced(raw, long.chunks, { ...pace, slice, zip })
      if (ending.is === 'cut off') kinds[kind].cutOff++
      const about = { reqId: request.id, method: request.method, url: request.url }
      if (ending.is === 'cut off')
        request.log.warn({ ...about, ...pace }, 'an answer is cut off: its client reads too slowly')
      // Sent bytes cannot be taken back. The answer ends in the middle, and the client sees that.
      if (ending.is === 'failed' && ending.error !== loopAbandoned)
        request.log.error({ ...about, err: ending.error }, 'an answer broke off')
      return null
    } finally {
      underWay.delete(reply)
      release()
    }
  }

  /**
   * Sends an answer in chunks. Returns a short answer as one buffer, which the caller sends. An answer that is known to be long is admitted
   * before any chunk is made, because the first chunk may take as much memory as all.
   */
  async function sendChunks(
    request: FastifyRequest,
    reply: FastifyReply,
    kind: AnswerKind,
    {
      chunks,
      held,
      zips,
      isLong = false,
    }: Long & { readonly chunks: AsyncIterable<Uint8Array>; readonly isLong?: boolean },
  ): Promise<Buffer | null> {
    const iterator = chunks[Symbol.asyncIterator]()
    const early = isLong ? admit(request, kind, held) : undefined
    if (early === null) return refuse(reply)
    const head = await readHead(iterator).catch((error) => {
      early?.()
      throw error
    })
    if (head.isWhole) early?.()
    if (head.isWhole) return zips ? zipWhole(reply, head.bytes) : head.bytes
    // The length that the route set is that of the uncompressed answer.
    if (zips) reply.header('content-encoding', 'gzip').removeHeader('content-length')
    try {
      return await send(request, reply, kind, { chunks: continued(head.bytes, iterator), held, zips }, early)
    } finally {
      await iterator.return?.()
    }
  }

  return {
    async stream(request, reply, chunks, heldBytes = 0) {
      const zips = negotiateGzip(request, reply)
      if (request.method === 'HEAD') {
        if (zips) reply.header('content-encoding', 'gzip')
        const { raw } = reply.hijack()
        raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders).end()
        return
      }
      const kind = kindOf(request.routeOptions.url ?? '')
      const held = { key: reply, bytes: bytesOfStream + heldBytes }
      const isLong = heldBytes >= longFrom
      const left = await sendChunks(request, reply, kind, { chunks, held, zips, isLong })
      if (left !== null) reply.send(left)
    },
    async takeOver(request, reply, kind, payload) {
      const isHead = request.method === 'HEAD'
      const zips = kind === 'page' && isZippable(reply) && negotiateGzip(request, reply)
      if (payload instanceof Readable) {
        if (isHead) return payload
        const held = heldBy.get(payload) ?? { key: payload, bytes: bytesOfStream }
        return sendChunks(request, reply, kind, { chunks: payload, held, zips })
      }
      const given = Buffer.isBuffer(payload) ? payload : Buffer.from(payload as string)
      const body = zips ? await zipWhole(reply, given) : given
      if (body.length < longFrom || isHead) return body
      reply.header('content-length', body.length)
      const held = { key: body, bytes: body.length }
      return send(request, reply, kind, { chunks: slicesOf(body), held, zips: false })
    },
    stats: () =>
      new Map(
        answerKinds.map((kind) => {
          const { cap, refused, cutOff } = kinds[kind]
          const { answers, bytes } = cap.load()
          return [kind, { underWay: answers, heldBytes: bytes, refused, cutOff }]
        }),
      ),
    close() {
      setTimeout(() => {
        for (const { raw } of underWay) raw.destroy()
      }, closeGraceMs).unref()
    },
  }
}

/** Returns whether a request changes something. Its answer is never refused, because the client has to learn the result. Clients with a token are few. */
function isChange({ method }: FastifyRequest): boolean {
  return method === 'PUT' || method === 'DELETE'
}

/** Turns an answer into a refusal with 503, and returns its body. */
function refuse(reply: FastifyReply): Buffer {
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  reply.code(503).headers({
    ...securityHeaders,
    'cache-control': 'no-store',
    'content-type': problemType,
    'retry-after': retryAfterSeconds,
  })
  const detail = `Too many long answers like this are under way: try again in ${retryAfterSeconds} s.`
  return Buffer.from(writeProblem(problemOf(503, detail)))
}

/** Reads chunks until an answer is long, or whole. Chunks are copied, because the next one may reuse their memory. */
async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<{ isWhole: boolean; bytes: Buffer }> {
  const chunks: Buffer[] = []
  for (let length = 0; length < longFrom; length += chunks.at(-1)?.length ?? 0) {
    const { done, value } = await iterator.next()
    if (done) return { isWhole: true, bytes: Buffer.concat(chunks) }
    chunks.push(Buffer.from(value))
  }
  return { isWhole: false, bytes: Buffer.concat(chunks) }
}

async function* continued(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
}

function* slicesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}
