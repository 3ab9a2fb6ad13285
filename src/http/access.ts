import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Details, Token } from '../domain/token.ts'
import { sendProblem } from './problem.ts'

/** Which tokens there are, and what one is needed for beside changes. */
export type AccessSettings = { readonly tokens: readonly Token[]; readonly details: Details }

/** Who may change what is registered, and who may see what of it. */
export type Access = {
  /** Puts other settings in force, for requests from now on. */
  configure(settings: AccessSettings): void
  /** A hook for routes that change something: answers in their place who may not. */
  requireToken(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** A hook for routes that show details: answers in their place who may not see them. */
  requireTokenForDetails(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** Whether whoever sent this may see targets, addresses and sentences. */
  showsDetails(request: IncomingMessage): boolean
}

export function createAccess({ settings }: { settings: AccessSettings; clock: Clock }): Access {
  let { tokens, details } = settings

  function hasToken({ headers: { authorization = '' } }: IncomingMessage): boolean {
    const secret = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? ''
    const sha256 = createHash('sha256').update(secret).digest('hex')
    return tokens.some((token) => token.sha256 === sha256)
  }

  async function requireToken(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (hasToken(request.raw)) return undefined
    return sendProblem(reply, 401, 'a token is needed')
  }

  return {
    configure(next) {
      tokens = next.tokens
      details = next.details
    },
    requireToken,
    requireTokenForDetails: async (request, reply) => (details === 'all' ? undefined : requireToken(request, reply)),
    showsDetails: (request) => details === 'all' || hasToken(request),
  }
}
