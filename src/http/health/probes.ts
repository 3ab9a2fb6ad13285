import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import { escapeUnseen } from '../../domain/values/quote.ts'
import type { Readiness, ReadinessCheck } from '../readiness.ts'

// Accepts unknown parameters and any value of `verbose`, because a stray parameter must not get a container killed.
const ProbeQuery = z.looseObject({
  verbose: z
    .unknown()
    .optional()
    .meta({ description: 'List each check with its result.', override: { type: 'string' } }),
})

const text = (description: string) => ({ description, content: { 'text/plain': { schema: z.string() } } })

/** Adds `GET /livez` and `GET /readyz`, which report on Porthole itself as Kubernetes' API server does. */
export const probeRoutes: FastifyPluginAsyncZodOpenApi<{ readiness: Readiness }> = async (app, { readiness }) => {
  app.get(
    '/livez',
    {
      schema: {
        summary: 'Whether Porthole is alive; never depends on targets',
        operationId: 'getLiveness',
        tags: ['porthole'],
        querystring: ProbeQuery,
        response: { 200: text('Alive.') },
      },
    },
    async (request, reply) =>
      answer(reply, 'livez', [{ name: 'process', failure: null }], request.query.verbose !== undefined),
  )

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Whether Porthole has first outcomes and is not about to stop',
        operationId: 'getReadiness',
        tags: ['porthole'],
        querystring: ProbeQuery,
        response: { 200: text('Ready.'), 503: text('Not ready, and why.') },
      },
    },
    async (request, reply) => answer(reply, 'readyz', readiness.checks(), request.query.verbose !== undefined),
  )
}

function answer(reply: FastifyReply, name: string, checks: ReadinessCheck[], verbose: boolean): FastifyReply {
  const passes = checks.every(({ failure }) => failure === null)
  const lines = checks.map((check) =>
    check.failure === null
      ? `[+]${check.name} ok${check.note ? `, ${check.note}` : ''}`
      : `[-]${check.name} failed: ${check.failure}`,
  )
  const body =
    passes && !verbose
      ? 'ok'
      : [...lines.map(escapeUnseen), `${name} check ${passes ? 'passed' : 'failed'}`, ''].join('\n')
  return reply
    .code(passes ? 200 : 503)
    .header('cache-control', 'no-store')
    .type('text/plain; charset=utf-8')
    .send(body)
}
