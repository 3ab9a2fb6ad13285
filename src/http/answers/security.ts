import type { FastifyInstance } from 'fastify'

/**
 * The security headers of every answer. With them browsers trust the Content-Type, run, load and frame nothing, send no
 * referrer, and let no other site embed the answer. No header demands TLS, which Porthole does not speak.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Adds the security headers to every answer that is routed. A route may replace them later, as the API reference does. */
export function secureAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(securityHeaders)
    done()
  })
}
