import { promisify } from 'node:util'
import { createGzip, type Gzip, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'

const zip = promisify(gzip)

/**
 * The gzip levels. The status page of fifty services is 120 kB, and 6 kB as gzip. A metrics page of 100,000 targets is 80 MB, and 6 MB at the
 * first level.
 */
const level = { whole: 4, stream: 1 } as const
/** The least length of an answer that is compressed, in bytes. A shorter one fits into a packet anyway. */
const leastBytes = 1024

/** Returns whether the client prefers gzip. Adds `Accept-Encoding` to the `Vary` header of the answer (RFC 9110 §12.5.3). */
export function negotiateGzip({ raw }: FastifyRequest, reply: FastifyReply): boolean {
  const vary = [reply.getHeader('vary'), 'accept-encoding'].filter((one) => one !== undefined).join(', ')
  reply.header('vary', vary)
  return new Negotiator(raw).encoding(['gzip', 'identity']) === 'gzip'
}

/** The compressed form of bytes that do not change, so that they are compressed once for all clients. */
const zippedOnce = new WeakMap<Buffer, Promise<Buffer>>()

/** Returns whether an answer may be compressed: pages, and the text files that they load. */
export function isZippable(reply: FastifyReply): boolean {
  const type = String(reply.getHeader('content-type'))
  return (
    reply.getHeader('content-encoding') === undefined && /^(text\/(html|css|javascript)|image\/svg\+xml)\b/.test(type)
  )
}

/** Compresses a whole answer on another thread, and sets its headers. Returns a short answer as it is. */
export async function zipWhole(reply: FastifyReply, body: Buffer): Promise<Buffer> {
  if (body.length < leastBytes) return body
  reply.header('content-encoding', 'gzip').removeHeader('content-length')
  const zipped = zippedOnce.get(body) ?? zip(body, { level: level.whole })
  zippedOnce.set(body, zipped)
  // Forget a failure, because the next attempt may succeed.
  zipped.catch(() => zippedOnce.delete(body))
  return zipped
}

/** Makes a stream that compresses an answer while it is sent. */
export function createStreamZip(): Gzip {
  return createGzip({ level: level.stream })
}
