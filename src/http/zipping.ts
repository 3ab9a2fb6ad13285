import { promisify } from 'node:util'
import { createGzip, type Gzip, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'

const zip = promisify(gzip)

/** The status page of fifty services is 120 kB, and 6 kB as gzip. A metrics page of 100,000 targets is 80 MB; the first level makes 6 MB of it. */
const level = { whole: 4, stream: 1 } as const
/** What is shorter than this fits into a packet as it is, in bytes. */
const leastBytes = 1024

/** Returns whether the client prefers gzip, and says in the answer that it depends on that (RFC 9110 §12.5.3). */
export function negotiateGzip({ raw }: FastifyRequest, reply: FastifyReply): boolean {
  const vary = [reply.getHeader('vary'), 'accept-encoding'].filter((one) => one !== undefined).join(', ')
  reply.header('vary', vary)
  return new Negotiator(raw).encoding(['gzip', 'identity']) === 'gzip'
}

/** Bytes that do not change are compressed once, however many clients ask for them. */
const zippedOnce = new WeakMap<Buffer, Promise<Buffer>>()

/** Returns whether an answer is text that is compressed where the client prefers that: pages, and the files they are made of. */
export function isZippable(reply: FastifyReply): boolean {
  const type = String(reply.getHeader('content-type'))
  return (
    reply.getHeader('content-encoding') === undefined && /^(text\/(html|css|javascript)|image\/svg\+xml)\b/.test(type)
  )
}

/** Compresses a whole answer on another thread, and says so in its headers. What is short stays as it is. */
export async function zipWhole(reply: FastifyReply, body: Buffer): Promise<Buffer> {
  if (body.length < leastBytes) return body
  reply.header('content-encoding', 'gzip').removeHeader('content-length')
  const zipped = zippedOnce.get(body) ?? zip(body, { level: level.whole })
  zippedOnce.set(body, zipped)
  // What failed once may work the next time.
  zipped.catch(() => zippedOnce.delete(body))
  return zipped
}

/** Makes a stream that compresses an answer while it is sent. */
export function createStreamZip(): Gzip {
  return createGzip({ level: level.stream })
}
