import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendProblem } from '../answers/problem.ts'

/**
 * A hook for every route. Refuses a request line without a version, which is HTTP/0.9, and one with HTTP/2.0 (RFC 9112 §3). Node.js lets both
 * pass. No real client sends them, and proxies disagree about where such a request ends.
 */
export async function requireVersion({ raw }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  if (raw.httpVersionMajor === 1) return undefined
  return sendProblem(reply, 400, `Porthole speaks HTTP/1.1 and HTTP/1.0: begin with ${raw.method} PATH HTTP/1.1.`)
}
