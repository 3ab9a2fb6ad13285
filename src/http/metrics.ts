import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Metrics } from '../metrics/metrics.ts'
import type { Access } from './access.ts'

/** `GET /metrics`: always 200, since Prometheus throws the body of anything else away. */
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
        response: {
          200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
        },
      },
    },
    async (request, reply) => {
      const details = access.showsDetails(request.raw)
      if (!details) reply.header('vary', 'authorization')
      return reply.type(metrics.contentType).send(await metrics.render({ targets: details }))
    },
  )
}
