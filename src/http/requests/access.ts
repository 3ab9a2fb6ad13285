import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { bearerToken, type Details, type Token } from '../../domain/values/token.ts'
import { createEmitter, type Emitter } from '../../monitor/emitter.ts'
import type { Clock } from '../../runtime/clock.ts'
import { sendProblem } from '../answers/problem.ts'
import { clientOf, createFailedTokenLimiter } from './failed-token-limiter.ts'

/** The known tokens, and whether details need a token too. Changes always need one. */
export type AccessSettings = { readonly tokens: readonly Token[]; readonly details: Details }

/** Decides by token which requests may change services, and which may see details of them. */
export type Access = {
  /** Applies other settings to requests from now on. */
  configure(settings: AccessSettings): void
  /** A hook for routes that change something. Answers requests that may not. */
  requireToken(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** A hook for routes that show details. Answers requests that may not see them. */
  requireTokenForDetails(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>
  /** Returns whether the answer to a request may show targets, addresses and sentences. */
  showsDetails(request: IncomingMessage): boolean
  /** Returns the name of the token that a request carries; null when it carries no known one. */
  nameOf(request: IncomingMessage): string | null
  /** Emits the address or the network of a client that has sent so many wrong tokens that it has to wait. */
  readonly limited: Emitter<string>
}

/** The result of looking at the token of a request. */
type Finding =
  | { readonly is: 'known'; readonly name: string }
  | { readonly is: 'missing' | 'malformed' | 'wrong' }
  | { readonly is: 'limited'; readonly waitMs: number }

/** The value of `WWW-Authenticate`, which tells clients how to send a token (RFC 6750 §3). */
const challenge = 'Bearer realm="porthole"'
const howToConfigure = 'set PORTHOLE_TOKEN, or tokens in the configuration'
/** How many pairs of a client and a token that was right are remembered. */
const mostVerified = 4096
const noChanges = `No token is configured, so no client may change anything: ${howToConfigure}.`
const noDetails = `Details need a token, and none is configured: ${howToConfigure}, or details: all.`

/**
 * Decides by the token in `Authorization`. A client that sent too many wrong tokens waits until its minute is over, even with a
 * right one. A token that was right from this client before still works, because otherwise one guesser behind a proxy would shut
 * out all clients of that proxy. A client is the peer of the connection, because a request could carry any address in a header.
 */
export function createAccess({ settings, clock }: { settings: AccessSettings; clock: Clock }): Access {
  const failedTokens = createFailedTokenLimiter(clock)
  const limited = createEmitter<string>()
  /** Pairs of a client and a token that was right, the one used last at the end. */
  const verifiedPairs = new Set<string>()
  /** The result for each request. Each token is judged once, so that one wrong token counts as one attempt. */
  const findings = new WeakMap<IncomingMessage, Finding>()
  let details: Details
  let known: { readonly name: string; readonly digest: Buffer }[]

  function configure(next: AccessSettings): void {
    details = next.details
    known = next.tokens.map(({ name, sha256 }) => ({ name, digest: Buffer.from(sha256, 'hex') }))
  }
  configure(settings)

  function find(request: IncomingMessage): Finding {
    const found = findings.get(request) ?? judge(request)
    findings.set(request, found)
    return found
  }

  function judge({ headers: { authorization }, socket }: IncomingMessage): Finding {
    if (authorization === undefined) return { is: 'missing' }
    const client = clientOf(socket.remoteAddress ?? '')
    const waitMs = failedTokens.waitMs(client)
    const secret = secretIn(authorization)
    const name = secret === null ? null : nameOfSecret(secret)
    if (waitMs > 0 && (name === null || !verifiedPairs.has(pairOf(client, name)))) return { is: 'limited', waitMs }
    if (secret === null) return { is: 'malformed' }
    if (name !== null) {
      recordVerified(client, name)
      return { is: 'known', name }
    }
    if (failedTokens.fail(client)) limited.emit(client)
    return { is: 'wrong' }
  }

  function recordVerified(client: string, name: string): void {
    const pair = pairOf(client, name)
    verifiedPairs.delete(pair)
    verifiedPairs.add(pair)
    const [oldest] = verifiedPairs
    if (oldest !== undefined && verifiedPairs.size > mostVerified) verifiedPairs.delete(oldest)
  }

  /** Returns the name of the token with this secret, or null. Compares with every token in constant time, so that the time reveals nothing. */
  function nameOfSecret(secret: string): string | null {
    const digest = hash('sha256', secret, 'buffer')
    const [match] = known.filter((token) => timingSafeEqual(token.digest, digest))
    return match?.name ?? null
  }

  async function admit(request: FastifyRequest, reply: FastifyReply, unconfigured: string) {
    if (known.length === 0) return sendProblem(reply, 403, unconfigured)
    const found = find(request.raw)
    switch (found.is) {
      case 'known':
        return undefined
      case 'limited': {
        const seconds = String(Math.ceil(found.waitMs / 1000))
        const detail = `Too many wrong tokens came from this address: try again in ${seconds} s.`
        return sendProblem(reply.header('retry-after', seconds), 429, detail)
      }
      case 'wrong':
        reply.header('www-authenticate', `${challenge}, error="invalid_token"`)
        return sendProblem(reply, 401, 'This token is not known here.')
      case 'malformed':
        reply.header('www-authenticate', challenge)
        return sendProblem(reply, 401, 'This is not how a token is sent: write Authorization: Bearer TOKEN.')
      case 'missing':
        reply.header('www-authenticate', challenge)
        return sendProblem(reply, 401, 'This needs a token: send it as Authorization: Bearer TOKEN.')
    }
  }

  const nameOf = (request: IncomingMessage): string | null => {
    if (known.length === 0) return null
    const found = find(request)
    return found.is === 'known' ? found.name : null
  }

  return {
    configure,
    requireToken: (request, reply) => admit(request, reply, noChanges),
    requireTokenForDetails: async (request, reply) =>
      details === 'all' ? undefined : admit(request, reply, noDetails),
    showsDetails: (request) => details === 'all' || nameOf(request) !== null,
    nameOf,
    limited,
  }
}

/** Returns the key of a pair. A space separates the two, because no address contains one. */
const pairOf = (client: string, name: string) => `${client} ${name}`

/** Returns the token after `Bearer`, which may be in any case (RFC 9110 §11.1). Null when the header has another form. */
function secretIn(authorization: string): string | null {
  const [, secret = ''] = /^Bearer +(.*)$/i.exec(authorization) ?? []
  return bearerToken.test(secret) ? secret : null
}
