import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendProblem } from '../answers/problem.ts'
import { intercept } from '../connections/intercept.ts'
import { closeLingering } from '../connections/lingering.ts'

/** A body of more bytes than this is refused, even if it is an empty object with white space. */
const mostBytes = 1000

/** Returns whether a body follows these headers (RFC 9112 §6). */
export function announcesBody(headers: IncomingHttpHeaders): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0)
}

/**
 * A hook for routes that take no body. Answers 400 to a request with one, because a client that sends content expects it to have an effect. An empty
 * body and an empty object are fine with any Content-Type, because many clients cannot send less.
 */
export async function refuseBody({ raw }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const body = announcesBody(raw.headers) ? await readStart(raw, reply.raw) : ''
  hideBody(raw)
  if (body !== null && /^\s*(\{\s*\})?\s*$/.test(body)) return undefined
  return sendProblem(reply, 400, 'This takes no body, and nothing was changed: send none, or {}.')
}

/** Removes the headers that announce a body, so that Fastify neither reads nor validates it. */
export function hideBody({ headers }: IncomingMessage): void {
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) delete headers[name]
}

/** Sends 100 Continue to a client that waits for it before it sends its body (RFC 9110 §10.1.1). Call it before a body is read. */
export function awaitBody({ headers, httpVersion }: IncomingMessage, response: ServerResponse): void {
  if (httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
}

/** Returns the whole body as text. Returns null for a body of more than 1,000 bytes, and reads it no further. */
function readStart(request: IncomingMessage, response: ServerResponse): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  awaitBody(request, response)
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes <= mostBytes) return
      request.removeAllListeners('data').pause()
      resolve(null)
    })
    request.once('end', () => resolve(Buffer.concat(chunks).toString()))
    request.once('error', reject)
  })
}

/**
 * Closes the connection after an answer to a request whose body was not read to its end. Otherwise Node.js would read on for ten seconds, as fast as
 * the client sends. A body of GET or HEAD is never read, because it has no meaning (RFC 9110 §9.3.1). A proxy in front that overlooks such a body
 * would take it for the next request. A client that waits for 100 Continue gets its answer without it when the body is not wanted.
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
  // Runs before Node.js closes the connection, which it does with `destroySoon`.
  response.prependOnceListener('finish', () => {
    if (!request.readableEnded) socket.destroySoon = () => closeLingering(socket)
  })
}
