import type { FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { problemType } from '../http/problem.ts'

/** Whether whoever asks would rather be shown an error than told it as a problem: a browser would, a script would not. */
export function wantsShown({ headers: { accept } }: FastifyRequest, type: 'text/html' | 'image/svg+xml'): boolean {
  return new Negotiator({ headers: { accept } }).mediaType([problemType, type]) === type
}
