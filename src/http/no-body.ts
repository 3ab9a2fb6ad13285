import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { intercept } from './intercept.ts'
import { closeLingering } from './lingering.ts'
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
  const body = announcesBody(raw.headers) ? await readStart(raw, reply.raw) : ''
  hideBody(raw)
  if (body !== null && /^\s*(\{\s*\})?\s*$/.test(body)) return undefined
  return sendProblem(reply, 400, 'This takes no body, and nothing was changed: send none, or {}.')
}

/** Keeps Fastify from reading and judging a body. */
export function hideBody({ headers }: IncomingMessage): void {
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) delete headers[name]
}

/** Tells a client to send the body that it holds back until it is told to (RFC 9110 §10.1.1). Call it before a body is read. */
export function awaitBody({ headers, httpVersion }: IncomingMessage, response: ServerResponse): void {
  if (httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
}

/** Returns the whole body as text; null where it is longer than any that is fine, and is not read any further. */
function readStart(request: IncomingMessage, response: ServerResponse): Promise<string | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  awaitBody(request, response)
  return new Promise((resolve, reject) => {
    request.on('data', (piece: Buffer) => {
      pieces.push(piece)
      bytes += piece.length
      if (bytes <= mostBytes) return
      request.removeAllListeners('data').pause()
      resolve(null)
    })
    request.once('end', () => resolve(Buffer.concat(pieces).toString()))
    request.once('error', reject)
  })
}

/**
 * Closes the connection after an answer to a request whose body was not read to its end: Node.js would read on for ten seconds, as fast as the
 * client sends. A body of GET or HEAD is never read, because it means nothing (RFC 9110 §9.3.1), but a proxy in front that does not know of it
 * would take it for the next request. A client that waits for 100 Continue is answered without it where its body is not wanted.
 */
export function closeAfterUnreadBody(server: Server): void {
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  intercept(server, (request, response, handle) => {
    if (announcesBody(request.headers)) closeUnlessRead(request, response)
    handle(request, response)
  })
}

function closeUnlessRead(request: IncomingMessage, response: ServerResponse): void {
  const keepsAlive = response.shouldKeepAlive
  const { socket } = request
  response.shouldKeepAlive = false
  request.once('end', () => {
    response.shouldKeepAlive = keepsAlive
  })
  // Before Node.js closes the connection, which it does by this function.
  response.prependOnceListener('finish', () => {
    if (!request.readableEnded) socket.destroySoon = () => closeLingering(socket)
  })
}
