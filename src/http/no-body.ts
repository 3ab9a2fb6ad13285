import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sendProblem } from './problem.ts'

/** A body of more bytes than this is not an empty object, however much space is in it. */
const mostBytes = 1000

/** Returns whether a body follows these headers (RFC 9112 §6). */
export function announcesBody(headers: IncomingHttpHeaders): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0)
}

/**
 * For routes that change something and take no body: refuses one, because a client that sends something expects it to count. Nothing at all and
 * an empty object are fine, whatever their type is said to be: many clients cannot send less.
 */
export async function refuseBody({ raw }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const body = announcesBody(raw.headers) ? await readStart(raw) : ''
  hideBody(raw)
  if (body !== null && /^\s*(\{\s*\})?\s*$/.test(body)) return undefined
  if (body === null) reply.header('connection', 'close')
  return sendProblem(reply, 400, 'This takes no body, and nothing was changed: send none, or {}.')
}

/** Keeps Fastify from reading and judging a body. */
function hideBody({ headers }: IncomingMessage): void {
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) delete headers[name]
}

/** Answers a request as if it had no body, and closes the connection afterwards if it has one: see `closeAfterUnreadBody`. */
export function passOverBody(request: FastifyRequest, reply: FastifyReply): void {
  if (announcesBody(request.raw.headers)) reply.raw.shouldKeepAlive = false
  hideBody(request.raw)
}

/** Returns the whole body as text; null where it is longer than any that is fine. What is more than that is thrown away as it comes. */
function readStart(raw: IncomingMessage): Promise<string | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    raw.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes > mostBytes) resolve(null)
      else pieces.push(piece)
    })
    raw.once('end', () => resolve(Buffer.concat(pieces).toString()))
    raw.once('error', reject)
  })
}

/**
 * Closes the connection after an answer to GET or HEAD that came with a body. Such a body means nothing (RFC 9110 §9.3.1), but a proxy in
 * front that does not know of it would take it for the next request.
 */
export function closeAfterUnreadBody(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    // Also of answers that are written past Fastify.
    if (isRead && announcesBody(request.raw.headers)) reply.raw.shouldKeepAlive = false
    done()
  })
}
