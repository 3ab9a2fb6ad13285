import type { FastifyInstance } from 'fastify'

/**
 * What every answer says to browsers: take it for what it says it is, run, load and frame nothing, tell nobody where you
 * came from, and let no other site embed it. Nothing here demands TLS, which Porthole does not speak.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Puts the security headers on every answer that is routed; who answers later may say otherwise, as the API reference does. */
export function secureAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(securityHeaders)
    done()
  })
}
