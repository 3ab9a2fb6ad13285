import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Metrics } from '../metrics/metrics.ts'
import type { Access } from './access.ts'
import { needsToken, tokenRefusals } from './docs.ts'

/** `GET /metrics`: 200 whatever the targets' health, since Prometheus throws the body of anything else away. */
export const metricsRoutes: FastifyPluginAsyncZodOpenApi<{ metrics: Metrics; access: Access }> = async (
  app,
  { metrics, access },
) => {
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Everything that is known, for Prometheus',
        description: 'Without the series of targets for who may not see details.',
        operationId: 'getMetrics',
        tags: ['porthole'],
        security: [{}, ...needsToken],
        response: {
          200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
          ...tokenRefusals(),
        },
      },
    },
    async (request, reply) => {
      const details = access.showsDetails(request.raw)
      if (!details) {
        // Who sends a token wants the targets: without them alerts would fall silent, and nobody know why.
        if (request.headers.authorization !== undefined) return access.requireTokenForDetails(request, reply)
        reply.header('vary', 'authorization')
      }
      return reply.type(metrics.contentType).send(await metrics.render({ targets: details }))
    },
  )
}
