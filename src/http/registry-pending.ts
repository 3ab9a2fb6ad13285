import type { FastifyReply } from 'fastify'
import { sendProblem } from './problem.ts'

/** When a client asks again, in seconds: a store or a replica tries about that often. */
const retryAfterSeconds = 5

/** What the OpenAPI document says of a 503 for a service. */
export const pendingAnswer =
  'No such service is known, but the registry was not read yet; `Retry-After` says when to ask again.'

/** Says that services may be missing. `why` is what the registry waits for; without `details` the sentence names neither files nor addresses. */
export function missingServices(why: string, details: boolean): string {
  const cause = details ? `: ${why}` : ''
  return `the registry was not read yet, so services may be missing${cause}`
}

/** Answers 503 where the answer depends on services that may be missing. `what` begins the sentence. */
export function sendPending(reply: FastifyReply, what: string, why: string, details = true): FastifyReply {
  return sendProblem(delayRetry(reply), 503, `${what}: ${missingServices(why, details)}.`)
}

/** Tells a client when to ask again. No cache keeps the answer until then, because the registry may be read at any moment. */
export function delayRetry(reply: FastifyReply): FastifyReply {
  return reply.headers({ 'retry-after': String(retryAfterSeconds), 'cache-control': 'no-store' })
}
