import type { FastifyReply } from 'fastify'
import { sendProblem } from '../answers/problem.ts'

/** How long a client should wait before it asks again, in seconds. A store or a replica retries about that often. */
const retryAfterSeconds = 5

/** The OpenAPI description of a 503 for one service. */
export const pendingAnswer =
  'No such service is known, but the registry was not read yet; `Retry-After` says when to ask again.'

/**
 * Returns the sentence that services may be missing. `why` says which step the registry waits for. Without `details` the sentence leaves that out, and so
 * names no file or address.
 */
export function missingServices(why: string, details: boolean): string {
  const cause = details ? `: ${why}` : ''
  return `the registry was not read yet, so services may be missing${cause}`
}

/** Answers 503 where the answer depends on services that may be missing. The detail begins with `what`. */
export function sendPending(reply: FastifyReply, what: string, why: string, details = true): FastifyReply {
  return sendProblem(delayRetry(reply), 503, `${what}: ${missingServices(why, details)}.`)
}

/** Sets `Retry-After`. Forbids caches to store the answer, because the registry may be read at any moment. */
export function delayRetry(reply: FastifyReply): FastifyReply {
  return reply.headers({ 'retry-after': String(retryAfterSeconds), 'cache-control': 'no-store' })
}
