import type { FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { problemType } from '../http/answers/problem.ts'

/** Whether a client prefers an error as a page or picture over a problem document. Browsers do, scripts do not. */
export function wantsShown({ headers: { accept } }: FastifyRequest, type: 'text/html' | 'image/svg+xml'): boolean {
  return new Negotiator({ headers: { accept } }).mediaType([problemType, type]) === type
}
