import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Metrics } from '../metrics/metrics.ts'

/** `GET /metrics`: always 200, since Prometheus throws the body of anything else away. */
export const metricsRoutes: FastifyPluginAsyncZodOpenApi<{ metrics: Metrics }> = async (app, { metrics }) => {
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Everything that is known, for Prometheus',
        operationId: 'getMetrics',
        tags: ['porthole'],
        response: {
          200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  )
}
