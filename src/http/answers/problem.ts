import { createRequire } from 'node:module'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { escapeUnseen } from '../../domain/values/quote.ts'
import { loopAbandoned } from '../../runtime/time-slices.ts'
import { closeLingering } from '../connections/lingering.ts'
import { securityHeaders } from './security.ts'

// An `import` would read every export of the module. One of them, `WebSocket`, loads the client for fetch, which takes 13 MB and 60 ms.
const { STATUS_CODES } = createRequire(import.meta.url)('node:http') as typeof import('node:http')

/** An error for machines and people (RFC 9457), with every mistake in the input. */
export const Problem = z
  .object({
    type: z
      .string()
      .meta({ description: '`about:blank`: the problem means no more than its HTTP status (RFC 9457 §4.2.1).' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'The mistake and its remedy.' }),
    errors: z
      .array(
        z.object({
          in: z.enum(['body', 'headers', 'params', 'querystring']),
          pointer: z.string().meta({ description: 'The place in that part, as a JSON pointer (RFC 6901).' }),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'An error, as RFC 9457 defines it.' })
export type Problem = z.infer<typeof Problem>

/** The media type of a problem. */
export const problemType = 'application/problem+json'

/** Returns an OpenAPI response whose body is a problem. */
export const problemResponse = (description: string) => ({
  description,
  content: { [problemType]: { schema: Problem } },
})

/** Returns the OpenAPI response for a refused long answer, for routes that answer 503 for no other reason. */
export const tooManyAnswers = () =>
  problemResponse('Too many long answers are under way; `Retry-After` says when to ask again.')

/** Returns a problem as JSON. Invisible characters are escaped, because a problem repeats names and values that clients sent. */
export function writeProblem(problem: Problem): string {
  return escapeUnseen(JSON.stringify(problem))
}

/** Returns a problem, with the title of its HTTP status. */
export function problemOf(status: number, detail: string, errors?: Problem['errors']): Problem {
  const title = STATUS_CODES[status] ?? 'Error'
  return { type: 'about:blank', title, status, detail, ...(errors === undefined ? {} : { errors }) }
}

/** Answers with a problem. */
export function sendProblem(
  reply: FastifyReply,
  status: number,
  detail: string,
  errors?: Problem['errors'],
): FastifyReply {
  return reply
    .code(status)
    .type(problemType)
    .serializer(writeProblem)
    .send(problemOf(status, detail, errors))
}

export const notJson = 'The body is not declared as JSON: send Content-Type: application/json (curl --json does).'
export const tooLarge = 'The body is larger than limits.bodyBytes allows: send less, or raise it.'

const refused = 'PORTHOLE_REFUSED'

/** Returns an error that becomes a problem when it is thrown, for code that has no reply at hand. */
export function refusal(statusCode: number, detail: string, errors?: Problem['errors']): Error {
  return Object.assign(new Error(detail), { code: refused, statusCode, errors })
}

/** Answers with problems when a handler throws, when validation fails, and when a path does not exist. */
export function answerWithProblems(app: FastifyInstance): void {
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(sendNotFound)
  // In onRequest, so that a body without a route is neither read nor validated.
  app.addHook('onRequest', async (request, reply) => (request.is404 ? sendNotFound(request, reply) : undefined))
}

function sendNotFound({ url }: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(reply, 404, `Nothing is at ${url.split('?', 1)[0]}: /docs lists all routes.`)
}

/** Answers an error, also one before routing, such as a path that cannot be decoded. `error` is undefined when code threw undefined. */
export function answerError(
  error: FastifyError | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error?.validation !== undefined) {
    const errors = error.validation.map(({ instancePath, message = '' }) => ({
      in: (error.validationContext ?? 'querystring') as 'querystring',
      pointer: instancePath === '/' ? '' : instancePath,
      detail: message,
    }))
    return sendProblem(reply, 400, errors.map((entry) => entry.detail).join('; '), errors)
  }
  // The client is gone, so there is nothing to answer.
  if (error === loopAbandoned) return reply.hijack()
  if (error?.code === refused) {
    const { errors } = error as FastifyError & Pick<Problem, 'errors'>
    return sendProblem(reply, error.statusCode ?? 400, error.message, errors)
  }
  const { errored } = request.raw
  if (errored !== null && error === errored) return sendProblem(reply, 400, 'The request broke off.')
  const status = error?.statusCode ?? 500
  // The messages of Fastify's own refusals are written for callers. Any other error with a status may reveal too much.
  if (error !== undefined && status < 500 && String(error.code).startsWith('FST_'))
    return sendProblem(reply, status, remedyOf(error) ?? error.message)
  request.log.error({ err: error, reqId: request.id, url: request.url }, 'a request failed')
  return sendFailed(reply, `Porthole failed to answer; its log tells why, under reqId ${request.id}.`)
}

/** Returns the message with a remedy for refusals of Fastify that have none; null for all others. */
function remedyOf({ code }: FastifyError): string | null {
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return notJson
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge
  return null
}

/** Answers past Fastify. Otherwise the failed hook or header would fail again, and Fastify would then show the message of the error. */
function sendFailed(reply: FastifyReply, detail: string): FastifyReply {
  const { raw } = reply.hijack()
  const body = writeProblem(problemOf(500, detail))
  raw.writeHead(500, { ...securityHeaders, 'content-type': problemType, 'content-length': Buffer.byteLength(body) })
  raw.end(body)
  return reply
}

/** Answers bytes that are not HTTP, headers that are too large, and requests that arrive too slowly. Only the socket exists then. */
export function answerClientError(error: NodeJS.ErrnoException, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400
  const problem = problemOf(
    status,
    status === 400 ? 'This is not a valid HTTP/1.1 request.' : `${STATUS_CODES[status]}.`,
  )
  const body = writeProblem(problem)
  const headers = Object.entries({
    ...securityHeaders,
    'Content-Type': problemType,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`HTTP/1.1 ${status} ${problem.title}\r\n${head}\r\n${body}`)
  // Node.js stops watching a connection whose request it could not read. Unless it is closed here, the client may keep it open for ever.
  closeLingering(socket)
}

/**
 * Answers 405 with the allowed methods where a path exists but not with this method (RFC 9110 §15.5.6). Fastify would answer 404.
 * Call it before the routes are added, and call the function that it returns after them.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const methodsAt = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    methodsAt.set(url, new Set([...(methodsAt.get(url) ?? []), ...[method].flat()]))
  })
  return () => {
    for (const [url, methods] of [...methodsAt]) {
      const allow = [...methods].sort().join(', ')
      app.route({
        method: app.supportedMethods.filter((method) => !methods.has(method)),
        url,
        schema: { hide: true },
        // In onRequest, so that a body is neither read nor validated.
        onRequest: async (request, reply) =>
          sendProblem(reply.header('allow', allow), 405, `${request.method} is not possible here: use ${allow}.`),
        handler: () => undefined,
      })
    }
  }
}
