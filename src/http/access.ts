import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import { bearerToken, type Details, type Token } from '../domain/token.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import { clientOf, createAttempts } from './attempts.ts'
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
  /** The name of the token that a request came with; null when it came with none that is known. */
  nameOf(request: IncomingMessage): string | null
  /** A client has sent so many wrong tokens that it has to wait: its address, or its network. */
  readonly limited: Signal<string>
}

/** What came of the token in a request. */
type Finding =
  | { readonly is: 'known'; readonly name: string }
  | { readonly is: 'missing' | 'malformed' | 'wrong' }
  | { readonly is: 'limited'; readonly waitMs: number }

/** What a browser or a program is told of how to ask (RFC 6750 §3). */
const challenge = 'Bearer realm="porthole"'
const howToConfigure = 'set PORTHOLE_TOKEN, or tokens in the configuration'
/** So many right tokens are remembered with where they came from. */
const mostProven = 4096
const noChanges = `No token is configured, so nobody may change anything: ${howToConfigure}.`
const noDetails = `Details are for who has a token, and none is configured: ${howToConfigure}, or details: all.`

/**
 * Tells by the token in `Authorization` who may. A client that sent too many wrong ones waits until its minute is over, also
 * with a right one; but not with one that was right from there before, or whoever guesses behind a proxy would shut out all who
 * come through it. A client is the peer of the connection, since whoever asks could write any address into a header.
 */
export function createAccess({ settings, clock }: { settings: AccessSettings; clock: Clock }): Access {
  const attempts = createAttempts(clock)
  const limited = createSignal<string>()
  /** Which tokens were right from which clients, those used last at the end. */
  const proven = new Set<string>()
  /** A request is looked at once, however many ask about it: one wrong token is one attempt. */
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
    const waitMs = attempts.waitMs(client)
    const secret = secretIn(authorization)
    const name = secret === null ? null : nameOfSecret(secret)
    if (waitMs > 0 && (name === null || !proven.has(proofOf(client, name)))) return { is: 'limited', waitMs }
    if (secret === null) return { is: 'malformed' }
    if (name !== null) {
      prove(client, name)
      return { is: 'known', name }
    }
    if (attempts.fail(client)) limited.emit(client)
    return { is: 'wrong' }
  }

  function prove(client: string, name: string): void {
    const proof = proofOf(client, name)
    proven.delete(proof)
    proven.add(proof)
    const [oldest] = proven
    if (oldest !== undefined && proven.size > mostProven) proven.delete(oldest)
  }

  /** Compares it with all of them, each in constant time: how long that takes tells nothing of any. */
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

/** No address has a space in it. */
const proofOf = (client: string, name: string) => `${client} ${name}`

/** What follows `Bearer`, in whatever case (RFC 9110 §11.1); null when this is not how a token is sent. */
function secretIn(authorization: string): string | null {
  const [, secret = ''] = /^Bearer +(.*)$/i.exec(authorization) ?? []
  return bearerToken.test(secret) ? secret : null
}
